//! A site's REST API as one account sees it.

use super::Error;
use crate::bitbucket::credential::{self, Token};
use crate::bitbucket::{self, Caller, KeyRegistry};
use crate::connection::managed_keys::http_settings;
use crate::context::Context;
use crate::repository::{Site, token_page};
use crate::secret::{Secret, TokenPlace};
use crate::settings::GitConfig;

/// The site as seen with this token. Sends nothing yet.
pub(super) fn connect(
    context: &Context,
    site: &Site,
    account: &str,
    secret: &Secret,
) -> Result<Box<dyn KeyRegistry>, bitbucket::Error> {
    let http = GitConfig::open(context).map(|config| http_settings(&config, site));
    let token = Token {
        account: account.to_owned(),
        secret: secret.clone(),
        place: TokenPlace::Environment,
    };
    bitbucket::connect(
        context,
        site,
        token,
        http.unwrap_or_default(),
        Caller::Command,
    )
}

/// The site as seen with the account's stored token. `None`: no token is stored for the account.
pub(super) fn of_account(
    context: &Context,
    site: &Site,
    account: &str,
) -> Result<Option<Box<dyn KeyRegistry>>, Error> {
    let Some(token) = credential::find(context, site, account)? else {
        return Ok(None);
    };
    let registry = connect(context, site, &token.account, &token.secret);
    registry.map(Some).map_err(|why| refused(why, site))
}

/// The site refused, or could not be asked.
pub(super) fn refused(why: bitbucket::Error, site: &Site) -> Error {
    Error::Site {
        why,
        page: token_page(&site.url),
    }
}
