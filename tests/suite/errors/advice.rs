//! What can be pasted of what was printed.

/// The `hint:` lines that are commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// The bare ones, in order.
    pub lines: Vec<String>,
    /// Those behind "or …: ".
    pub alternatives: Vec<String>,
}

/// A line that begins with one of these is a command.
const PROGRAMS: [&str; 10] = [
    "chmod",
    "echo",
    "eval",
    "export",
    "git",
    "mv",
    "ssh",
    "ssh-add",
    "ssh-keygen",
    "unset",
];

impl Advice {
    /// Reads standard error.
    pub fn of(output: &str) -> Self {
        let mut advice = Self::default();
        // git indents its own advice.
        let hint = |line| str::strip_prefix(line, "hint: ").or_else(|| line.strip_prefix('\t'));
        for hint in output.lines().filter_map(hint) {
            if is_command(hint) {
                advice.lines.push(hint.to_owned());
            } else if let Some(rest) = hint.strip_prefix("or ")
                && let Some((_, command)) = rest.split_once(": ")
                && is_command(command)
            {
                advice.alternatives.push(command.to_owned());
            }
        }
        advice
    }
}

fn is_command(line: &str) -> bool {
    line.split(' ')
        .next()
        .is_some_and(|word| PROGRAMS.contains(&word))
}
