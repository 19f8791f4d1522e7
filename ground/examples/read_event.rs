//! Reads bodies as `POST /event` does, to compare with FastAPI.
//!
//! A body a line, in hexadecimal, from standard input. For each it prints the event, or what is wrong with it, as JSON.

use std::error::Error;
use std::io::{BufRead, Write};

use cabinwatch_ground::telemetry::read_event;
use data_encoding::HEXLOWER;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let body = HEXLOWER.decode(line?.as_bytes())?;
        match read_event(&body) {
            Ok(event) => writeln!(out, "{}", serde_json::to_string(&event)?)?,
            Err(problems) => writeln!(out, "{}", serde_json::to_string(&problems)?)?,
        }
    }
    Ok(out.flush()?)
}
