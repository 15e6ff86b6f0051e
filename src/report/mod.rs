//! Every error → what happened, hint lines, exit status; exhaustive, so that an error without
//! its partner does not compile. The only place with words for failures.

/// What is printed about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The first line (or lines, where OpenSSH has several).
    pub what: String,
    /// Each printed as `hint: …`; a command in it can be pasted.
    pub hints: Vec<String>,
    /// 255 for `bitbucket-ssh`; 1, 2 or 4 for `git bitbucket`.
    pub status: u8,
}
