//! The command line with which the system's ssh carries a session of a Bitbucket host.

use std::ffi::OsString;
use std::path::Path;

use super::Request;
use super::arguments::{Argument, Arguments};
use super::options;

impl Request {
    /// The arguments for the system's ssh where `file` stands for everything that ssh_config and
    /// the command line say: flags stay, values that `ssh -G` prints (and so `file` holds) go,
    /// `-F file` follows, then `--`, host and command as they came.
    ///
    /// A user of the command line stays one, so that ssh does not expand it.
    pub fn argv_with_config(&self, file: &Path) -> Vec<OsString> {
        let mut argv = Vec::new();
        let mut command = Vec::new();
        for argument in Arguments::new(&self.argv) {
            match argument {
                Ok(Argument::Option(row, value)) if !options::is_printed_with_value(row) => {
                    argv.push(OsString::from(format!("-{}", char::from(row.letter))));
                    argv.extend(value);
                }
                Ok(Argument::Command(words)) => command = words,
                // A request was parsed from these arguments, so there is no error.
                Ok(Argument::Option(..) | Argument::Destination(_)) | Err(_) => {}
            }
        }
        if let Some(user) = &self.user {
            argv.extend(["-l".into(), user.into()]);
        }
        argv.extend(["-F".into(), file.into(), "--".into()]);
        argv.push(OsString::from(&self.host));
        argv.extend(command);
        argv
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh_command::{Invocation, parse};

    #[test]
    fn the_file_stands_for_what_it_holds() {
        for (words, expected, why) in [
            (
                "-o SendEnv=GIT_PROTOCOL -p 7 git@h|git-upload-pack 'a/b'",
                "-l git -F /f -- h|git-upload-pack 'a/b'",
                "git",
            ),
            (
                "-vvi key -F other -E log -l a b@h -T -4 -o IdentityFile=x cmd -v",
                "-v -v -E log -T -4 -l a -F /f -- h cmd -v",
                "identities and another file go, also behind the host",
            ),
            (
                "-M -N -L 1:h:2 -O exit h",
                "-N -O exit -F /f -- h",
                "forwards stand in the file",
            ),
            (
                "ssh://git@h:22 -W a:1",
                "-W a:1 -l git -F /f -- h",
                "a URL is taken apart",
            ),
            (
                "-- h -x",
                "-F /f -- h -x",
                "the command may look like options",
            ),
        ] {
            let argv = words
                .split(' ')
                .flat_map(|word| match word.split_once('|') {
                    Some((host, first)) => vec![host.into(), first.into()],
                    None => vec![OsString::from(word)],
                });
            let (Invocation::Native(request) | Invocation::System { request, .. }) =
                parse(argv.collect()).unwrap()
            else {
                panic!("{words}")
            };
            let made = request
                .argv_with_config(Path::new("/f"))
                .join(&OsString::from(" "));
            assert_eq!(
                made.to_str(),
                Some(expected.replace('|', " ").as_str()),
                "{why}"
            );
        }
    }
}
