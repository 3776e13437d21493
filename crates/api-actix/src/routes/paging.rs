//! Pages of lists.

use std::fmt::Display;

use keystead_domain::Timestamp;

use crate::http::{ApiError, Code, Page, next_link};

/// A place in a list that is sorted by time: the time and the identifier of the last row before it.
pub(super) fn cursor_to(at: Timestamp, id: &impl Display) -> String {
    format!("{}~{id}", at.as_micros())
}

/// The part of `items` that a page shows, and the link to what comes after it. `id` is what the cursor names.
pub(super) fn page_of<'a, T>(
    items: &'a [T],
    page: &Page,
    path: &str,
    id: impl Fn(&T) -> String,
) -> Result<(&'a [T], Option<String>), ApiError> {
    let start = match &page.after {
        None => 0,
        Some(cursor) => {
            let at = items.iter().position(|item| id(item) == *cursor);
            at.ok_or_else(|| ApiError::new(Code::INVALID_PARAMETER).parameter("page[after]"))? + 1
        }
    };
    let rest = items.get(start..).unwrap_or_default();
    let size = usize::try_from(page.size).unwrap_or(usize::MAX).min(rest.len());
    let shown = rest.get(..size).unwrap_or_default();
    let next = shown.last().filter(|_| rest.len() > size).map(|last| next_link(path, page.size, &id(last)));
    Ok((shown, next))
}

/// The part of a list that a page shows, where one item more than that was read, and the cursor to what comes after it.
pub(super) fn cut<T>(mut items: Vec<T>, page: &Page, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| more).map(cursor);
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let items: Vec<u32> = (0..5).collect();
        let read = |after: Option<&str>| {
            let page = Page { size: 2, after: after.map(str::to_owned) };
            page_of(&items, &page, "/l", ToString::to_string).map(|(shown, next)| (shown.to_vec(), next))
        };
        let link = |after| Some(format!("/l?page%5Bsize%5D=2&page%5Bafter%5D={after}"));
        assert_eq!(read(None).unwrap(), (vec![0, 1], link(1)));
        assert_eq!(read(Some("1")).unwrap(), (vec![2, 3], link(3)));
        assert_eq!(read(Some("3")).unwrap(), (vec![4], None));
        assert_eq!(read(Some("4")).unwrap(), (vec![], None));
        assert_eq!(read(Some("9")).unwrap_err().code(), Code::INVALID_PARAMETER);
    }
}
