//! The access list: what is not granted in it is denied.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cabinwatch_shared::tail::Tail;

use super::files::MARK;
use super::{INGEST, PUBLISH};

/// The text of the access list.
pub(super) fn list(tails: &[Tail]) -> String {
    let mut text = MARK.to_owned();
    let ground = [
        (INGEST, ["read cabinwatch/v1/+/up/#", "write cabinwatch/v1/+/down/ack"].as_slice()),
        (PUBLISH, ["write cabinwatch/v1/models/#"].as_slice()),
    ];
    for (name, rights) in ground {
        grant(&mut text, name, rights.iter().copied());
    }
    for tail in tails {
        let rights = [
            &format!("write cabinwatch/v1/{tail}/up/#"),
            &format!("read cabinwatch/v1/{tail}/down/#"),
            "read cabinwatch/v1/models/#",
        ];
        grant(&mut text, tail.as_str(), rights);
    }
    text
}

fn grant<'a>(text: &mut String, name: &str, rights: impl IntoIterator<Item = &'a str>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\nuser {name}");
    rights.into_iter().for_each(|right| {
        let _ = writeln!(text, "topic {right}");
    });
}

/// Who has rights in an access list.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix("user ")).map(str::to_owned).collect()
}
