//! `git bitbucket …`: one file for each command. Uses the rooms; no room uses it.
