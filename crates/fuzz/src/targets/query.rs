//! Query strings, pages and cursors.

use actix_web::FromRequest as _;
use actix_web::http::Uri;
use actix_web::test::TestRequest;
use keystead_api_actix::http::{ApiError, ApiQuery, Code, Page, Params, next_link_with};
use keystead_api_actix::routes::{CursorOf, canonical_cursor};

use super::request::wait;
use crate::check;
use crate::input::text;

fn page_of(uri: &str) -> Result<Page, ApiError> {
    let (request, mut payload) = TestRequest::with_uri(uri).to_http_parts();
    wait(ApiQuery::<Page>::from_request(&request, &mut payload)).map(|ApiQuery(page)| page)
}

/// `query`: a query string.
pub(super) fn page(bytes: &[u8]) {
    let Some(query) = text(bytes) else { return };
    let params = Params::parse(query);
    params.as_ref().err().into_iter().for_each(check::refusal);
    let repeated = has_twins(query);
    if let Err(error) = &params {
        assert!(error.code() != Code::DUPLICATE_PARAMETER || repeated, "{query:?} repeats nothing");
    } else {
        assert!(!repeated, "{query:?} has a name twice");
        assert!(query.len() <= 4096 && query.split('&').filter(|pair| !pair.is_empty()).count() <= 32);
    }
    let uri = format!("/list?{query}");
    if Uri::try_from(uri.as_str()).is_err() {
        return;
    }
    match page_of(&uri) {
        Ok(page) => {
            assert!((1..=100).contains(&page.size));
            let Some(after) = &page.after else { return };
            assert!((1..=512).contains(&after.len()));
            // The link to the next page leads exactly there.
            let link = next_link_with("/list", &[], page.size, after);
            assert!(Uri::try_from(link.as_str()).is_ok(), "{link:?} is no address");
            assert_eq!(page_of(&link).ok().as_ref(), Some(&page), "{link:?}");
        }
        Err(error) => check::refusal(&error),
    }
}

/// Whether a name comes twice, by the opinion of the reader browsers have.
fn has_twins(query: &str) -> bool {
    let mut names: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// `cursors`: a cursor, as `page[after]` has it, to every list there is.
pub(super) fn cursors(bytes: &[u8]) {
    let Some(cursor) = text(bytes) else { return };
    for list in CursorOf::ALL {
        match canonical_cursor(list, cursor) {
            Ok(canonical) => {
                assert!(canonical.len() <= 512, "a cursor that no page takes: {canonical:?}");
                assert_eq!(canonical_cursor(list, &canonical).ok(), Some(canonical));
            }
            Err(error) => check::refusal(&error),
        }
    }
}
