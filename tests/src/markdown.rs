//! The parts of a document that readers type.

/// A fenced block, or the lines between two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence; none for text between fences.
    pub language: Option<String>,
    /// Its lines.
    pub lines: Vec<String>,
}

/// A document's blocks, in their order.
#[must_use]
pub fn blocks(markdown: &str) -> Vec<Block> {
    let between = || Block { language: None, lines: Vec::new() };
    let mut blocks = vec![between()];
    for line in markdown.lines() {
        let Some(block) = blocks.last_mut() else { continue };
        match (line.strip_prefix("```"), &block.language) {
            (Some(_), Some(_)) => blocks.push(between()),
            (Some(language), None) => {
                blocks.push(Block { language: Some(language.to_owned()), lines: Vec::new() });
            }
            (None, _) => block.lines.push(line.to_owned()),
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_part_a_document() {
        let found = blocks("a\n```sh\nb\nc\n```\nd");
        let found: Vec<_> =
            found.iter().map(|block| (block.language.as_deref(), block.lines.join(" "))).collect();
        assert_eq!(found, [(None, "a".to_owned()), (Some("sh"), "b c".to_owned()), (None, "d".to_owned())]);
    }
}
