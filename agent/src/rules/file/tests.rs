use std::path::Path;

use super::*;

fn rules(rule: &str) -> Result<DaemonRules, RuleError> {
    let text = format!("daemon = \"portal\"\nprograms = [\"portald\"]\n[[rule]]\nname = \"r\"\n{rule}");
    compile(Path::new("portal.toml"), &text)
}

#[track_caller]
fn refused(rule: &str, expected: &str) {
    let error = rules(rule).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("portal.toml") && error.contains(expected), "{error:?} should say {expected:?}");
}

const EVENT: &str = "event = { edr_point = \"PORTAL\", description = \"d\", state = \"FAIL\" }\n";

#[test]
fn a_rule_reads_a_reason_from_its_table() {
    let text = format!(
        "starts_with = [\"login \"]\npattern = '^login failed: (?P<reason>.*)$'\nreasons = \"why\"\n{EVENT}\
         [reasons]\nwhy = [{{ contains = \"quota\", description = \"no quota left\" }}]"
    );
    let rules = rules(&text).expect("a good rule");
    let rule = rules.rules.first().expect("one rule");
    let reason = |message| rule.find(message).map(|found| found.reason.and_then(|index| rule.reason(index)));
    assert_eq!(reason("login failed: quota of Jane"), Some(Some("no quota left")));
    assert_eq!(reason("login failed: Jane"), Some(None));
    assert_eq!(reason("logout"), None);
}

#[test]
fn an_error_names_file_rule_and_key() {
    refused(EVENT, "rule \"r\" of portal.toml: starts_with: the rule fits every line");
    refused("pattern = '('\nignore = true", "rule \"r\" of portal.toml: pattern: not a regular expression");
    refused("pattern = '(?P<user>.)'\nignore = true", "there is no group \"user\"");
    refused("contains = [\"x\"]", "event: say what the line means");
    refused(&format!("contains = [\"x\"]\nignore = true\n{EVENT}"), "ignore: an ignored line");
    refused(&format!("contains = [\"x\"]\nstep = \"associated\"\n{EVENT}"), "needs the group (?P<station>");
    refused("contains = [\"x\"]\nstep = \"login\"", "this step needs the event");
    refused(&format!("contains = [\"x\"]\nstep = \"restarted\"\n{EVENT}"), "this step never gives an event");
    refused(&format!("pattern = '(?P<reason>x)'\nreasons = \"no\"\n{EVENT}"), "there is no table \"no\"");
    refused("contains = [\"x\"]\ncolour = \"red\"\nignore = true", "colour");
    refused(
        &EVENT.replace("\"d\"", "\"\"").replace("event", "contains = [\"x\"]\nevent"),
        "description: must not",
    );
    refused(
        "ignore = true\ncontains = [\"x\"]\n[[rule]]\nname = \"r\"\nignore = true",
        "another rule has this name",
    );
}
