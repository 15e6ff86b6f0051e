//! The `Host` blocks of one ssh_config file, to find aliases. What the file means for a host is
//! decided by `ssh -G`, never by this.

/// A `Host` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The line of `Host`, from 1.
    pub(super) line: usize,
    /// The patterns after `Host`.
    pub(super) patterns: Vec<String>,
    /// Directives in order: key in lower case, value without quotes around it.
    pub(super) directives: Vec<(String, String)>,
}

impl Block {
    /// The first value of a directive, as ssh takes it.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let mut found = self.directives.iter().filter(|(name, _)| name == key);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The patterns that are plain names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let plain = |name: &&String| !name.contains(['*', '?', '!']);
        self.patterns.iter().filter(plain).map(String::as_str)
    }
}

/// Every `Host` block; `Match` blocks and directives before the first block are left out.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
        let key = line[..end].to_ascii_lowercase();
        let value = line[end..].trim_start_matches([' ', '\t', '=']).trim();
        match key.as_str() {
            "host" => {
                inside = true;
                let patterns = value.split_whitespace();
                found.push(Block {
                    line: index + 1,
                    patterns: patterns
                        .map(|name| name.trim_matches('"').to_owned())
                        .collect(),
                    directives: Vec::new(),
                });
            }
            "match" => inside = false,
            _ if inside => {
                if let Some(block) = found.last_mut() {
                    let value = value.trim_matches('"').to_owned();
                    block.directives.push((key, value));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_names_and_directives() {
        let text = "User x\nHost bitbucket.org-work *.corp \"b\"\n  HostName=bitbucket.org\n\
            \tIdentityFile \"~/.ssh/a b\"\n# HostName no\nMatch all\nHostName y\nHost c\n";
        let found = blocks(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[1].line), (2, 8));
        assert_eq!(
            found[0].names().collect::<Vec<_>>(),
            ["bitbucket.org-work", "b"]
        );
        assert_eq!(found[0].value("hostname"), Some("bitbucket.org"));
        assert_eq!(found[0].value("identityfile"), Some("~/.ssh/a b"));
        assert!(found[1].directives.is_empty(), "a Match block is another");
    }
}
