//! The unit's journal: the agent's own lines, and what systemd says of it.

use cabinwatch_shared::time::UnixMillis;
use serde_json::Value;

use super::UNIT;
use super::tools::{ToolError, Tools};

/// What is asked for: more than a bundle can hold, and no older than events are kept.
const LINES: &str = "4000";
const SINCE: &str = "-7days";
/// What is read of it. As JSON, each line has a kilobyte of fields that nobody asked for.
const MAX_BYTES: usize = 8 << 20;
/// Longest message.
const MAX_MESSAGE_BYTES: usize = 1000;

/// The newest lines, oldest first.
///
/// # Errors
/// When the journal can't be read.
pub(super) fn read(tools: &Tools) -> Result<Vec<String>, ToolError> {
    // The newest first, so that what does not fit is the oldest.
    let arguments = [
        "--unit",
        UNIT,
        "--no-pager",
        "--quiet",
        "--reverse",
        "--output",
        "json",
        "--output-fields",
        "MESSAGE,PRIORITY,_PID,SYSLOG_IDENTIFIER",
        "--lines",
        LINES,
        "--since",
        SINCE,
    ];
    let output = tools.output("journalctl", &arguments, MAX_BYTES)?;
    let mut lines: Vec<_> = output.split(|byte| *byte == b'\n').filter_map(line).collect();
    lines.reverse();
    Ok(lines)
}

/// One entry of `journalctl --output json`; none for a line that was cut.
fn line(entry: &[u8]) -> Option<String> {
    let entry: Value = serde_json::from_slice(entry).ok()?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let micros: i64 = text("__REALTIME_TIMESTAMP").parse().ok()?;
    let message = match entry.get("MESSAGE")? {
        Value::String(text) => plain(text),
        // Bytes that are no text.
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => return None,
    };
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    let message = message.get(..end).unwrap_or_default();
    let (at, level) = (UnixMillis(micros / 1000), level(text("PRIORITY")));
    Some(format!("{at} {level:<7} {}[{}]: {message}", text("SYSLOG_IDENTIFIER"), text("_PID")))
}

/// With `log.json`, a message is an object: its fields as a line of text has them.
fn plain(message: &str) -> String {
    let Ok(Value::Object(object)) = serde_json::from_str(message) else { return message.to_owned() };
    let Some(Value::Object(fields)) = object.get("fields") else { return message.to_owned() };
    let target = object.get("target").and_then(Value::as_str).unwrap_or_default();
    let text = fields.get("message").and_then(Value::as_str).unwrap_or_default();
    let others = fields.iter().filter(|(name, _)| *name != "message");
    others.fold(format!("{target}: {text}"), |line, (name, value)| format!("{line} {name}={value}"))
}

fn level(priority: &str) -> &'static str {
    match priority {
        "0" | "1" | "2" | "3" => "error",
        "4" => "warning",
        "5" | "6" => "info",
        _ => "debug",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_becomes_a_dated_line() {
        let entry = br#"{"MESSAGE":"the agent runs","PRIORITY":"6","_PID":"77","SYSLOG_IDENTIFIER":"cabinwatch-agent",
            "__REALTIME_TIMESTAMP":"1795248600000123","_HOSTNAME":"gw-17"}"#;
        let expected = "2026-11-21T08:10:00Z info    cabinwatch-agent[77]: the agent runs";
        assert_eq!(line(entry).as_deref(), Some(expected));
        assert_eq!(line(br#"{"MESSAGE":"cut o"#), None);
        assert_eq!(line(b""), None);
    }

    #[test]
    fn bytes_and_json_are_text() {
        let entry =
            |message: &str| format!(r#"{{"MESSAGE":{message},"PRIORITY":"3","__REALTIME_TIMESTAMP":"0"}}"#);
        assert!(line(entry("[104,105,255]").as_bytes()).expect("a line").ends_with("[]: hi\u{fffd}"));
        let json =
            r#""{\"level\":\"INFO\",\"target\":\"agent\",\"fields\":{\"message\":\"closed\",\"keys\":3}}""#;
        assert!(line(entry(json).as_bytes()).expect("a line").ends_with("[]: agent: closed keys=3"));
    }
}
