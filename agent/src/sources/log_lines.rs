//! Log lines, from wherever they come, through the one interpreter.

use std::sync::{Arc, Mutex, PoisonError};

use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;

use super::EventBatch;
use crate::rules::{Interpreter, LineOutcome};

/// The interpreter that all log sources share: one daemon may speak by two of them.
pub(super) type SharedInterpreter = Arc<Mutex<Interpreter>>;

/// Adds to the batch what a line says.
pub(super) fn take_line(
    interpreter: &SharedInterpreter,
    line: Result<&str, LossReason>,
    arrival: UnixMillis,
    batch: &mut EventBatch,
) {
    let line = match line {
        Ok(line) if line.trim().is_empty() => return,
        Ok(line) => line,
        Err(reason) => return batch.lose(reason, 1),
    };
    let mut interpreter = interpreter.lock().unwrap_or_else(PoisonError::into_inner);
    match interpreter.interpret(line, arrival, &mut |event| batch.push(&event)) {
        LineOutcome::Unknown => batch.unknown_lines += 1,
        LineOutcome::Malformed => batch.lose(LossReason::Malformed, 1),
        LineOutcome::Events(_) | LineOutcome::NoEvent | LineOutcome::OtherProgram => {}
    }
}
