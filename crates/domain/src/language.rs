//! Which language somebody is answered in: `Accept-Language` (RFC 9110 section 12.5.4) and lookup (RFC 4647 section 3.4).

/// Longest list that is looked at, in bytes. Browsers send less than a hundred; what is longer asks for nothing.
const MAX_LIST: usize = 512;
/// Most ranges that are looked at.
const MAX_RANGES: usize = 16;

/// What somebody reads, best first: a list of language ranges with weights (`pt-BR, pt;q=0.9, *;q=0.1`). A single tag is
/// a list too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguageRanges<'a> {
    /// In the order they are tried.
    wanted: Vec<&'a str>,
    /// Those with weight 0: anything but these.
    refused: Vec<&'a str>,
}

impl<'a> LanguageRanges<'a> {
    /// Reads a list. What is no range with a weight is passed over, as is all of a list that is too long: nobody is
    /// refused an answer because of the language they asked for it in.
    pub fn parse(list: &'a str) -> Self {
        let mut ranges = Self::default();
        if list.len() > MAX_LIST {
            return ranges;
        }
        let mut weighted: Vec<_> = list.split(',').filter_map(range).take(MAX_RANGES).collect();
        // Stable: of equal weights the one named first is tried first.
        weighted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        for (range, weight) in weighted {
            if weight == 0 { ranges.refused.push(range) } else { ranges.wanted.push(range) }
        }
        ranges
    }

    /// The first range, shortened from its end until a tag fits (`de-AT` also finds `de`). `None`: the caller's default,
    /// which is also what `*` means.
    pub fn lookup<'t>(&self, available: &(impl Iterator<Item = &'t str> + Clone)) -> Option<&'t str> {
        self.wanted.iter().find_map(|range| {
            let mut range = *range;
            loop {
                let found = available.clone().find(|tag| tag.eq_ignore_ascii_case(range));
                if let Some(tag) = found.filter(|tag| !self.refuses(tag)) {
                    return Some(tag);
                }
                range = shortened(range)?;
            }
        })
    }

    fn refuses(&self, tag: &str) -> bool {
        self.refused.iter().any(|refused| refused.eq_ignore_ascii_case(tag))
    }
}

/// The range without its last subtag, and without a single letter before that (RFC 4647 section 3.4).
fn shortened(range: &str) -> Option<&str> {
    let (rest, _) = range.rsplit_once('-')?;
    match rest.rsplit_once('-') {
        Some((shorter, single)) if single.len() == 1 => Some(shorter),
        _ => Some(rest),
    }
}

/// One element of the list: the range and a thousand times its weight.
fn range(element: &str) -> Option<(&str, u16)> {
    let (range, weight) = match element.split_once(';') {
        Some((range, parameter)) => (range, weight(parameter.trim())?),
        None => (element, 1000),
    };
    let range = range.trim();
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (range == "*" || range.split('-').all(is_subtag)).then_some((range, weight))
}

/// `q=` and 0 to 1 with at most three decimals (RFC 9110 section 12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, decimals) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [&str; 6] = ["en", "de", "fr", "pt", "pt-BR", "zh-Hant"];

    #[test]
    fn the_best_language_there_is_is_found() {
        for (list, expected) in [
            ("de", Some("de")),
            ("de-AT", Some("de")),
            ("DE-at-1996", Some("de")),
            ("pt-br", Some("pt-BR")),
            ("pt-PT", Some("pt")),
            ("pt", Some("pt")),
            ("fr;q=0.9, pt", Some("pt")),
            ("fr;q=0.9,pt;q=0.8", Some("fr")),
            ("fr, pt", Some("fr")),
            ("it, nl;q=0.9, de;q=0.1", Some("de")),
            ("zh-Hant-CN-x-private1-private2", Some("zh-Hant")),
            ("de ; q=0.5 , fr ; Q=0.501", Some("fr")),
            ("*", None),
            ("*, de;q=0.1", Some("de")),
            ("it", None),
            ("de;q=0, *", None),
            ("de-AT, de;q=0, fr;q=0.2", Some("fr")),
            ("de;q=0.000, fr;q=0.001", Some("fr")),
            ("", None),
            (",,;q=1, ,de", Some("de")),
        ] {
            assert_eq!(LanguageRanges::parse(list).lookup(&TAGS.into_iter()), expected, "{list:?}");
        }
    }

    #[test]
    fn what_is_no_range_is_passed_over() {
        for broken in [
            "de;q=1.1",
            "de;q=2",
            "de;q=-1",
            "de;q=0.1234",
            "de;q=",
            "de;q",
            "de;level=1",
            "de;q=0.5;q=1",
            "d\u{e9}",
            "de\r\nSet-Cookie: a=b",
            "de_AT",
            "languages1",
            "-de",
            "de-",
            "'; DROP TABLE users",
            "../../etc/passwd",
        ] {
            assert_eq!(LanguageRanges::parse(broken), LanguageRanges::default(), "{broken:?}");
            let with_more = format!("{broken}, fr;q=0.3");
            assert_eq!(LanguageRanges::parse(&with_more).lookup(&TAGS.into_iter()), Some("fr"), "{broken:?}");
        }
    }

    #[test]
    fn long_lists_cost_nothing() {
        assert_eq!(LanguageRanges::parse(&"de,".repeat(100_000)), LanguageRanges::default());
        let many = vec!["x1"; 16].join(",") + ",de";
        assert_eq!(LanguageRanges::parse(&many).lookup(&TAGS.into_iter()), None);
    }
}
