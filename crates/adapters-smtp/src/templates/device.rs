/// Names in a `User-Agent` and what people call the program; the first found wins, because most browsers also name
/// those they descend from.
const PROGRAMS: [(&str, &str); 10] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// The same for systems. Android names Linux, and an iPhone names Mac OS X.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// What sent a request, in words of our own: program and system, `Firefox` and `Linux`. Nothing of the header itself is
/// passed on, because whoever sends the request writes it, links and all. What is not known is absent.
pub(super) fn describe(user_agent: &str) -> [Option<&'static str>; 2] {
    let find = |names: &[(&str, &'static str)]| names.iter().find(|(part, _)| user_agent.contains(part)).map(|n| n.1);
    [find(&PROGRAMS), find(&SYSTEMS)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_people_know() {
        for (header, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                [Some("Firefox"), Some("Linux")],
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 \
                 Safari/537.36 Edg/139.0.0.0",
                [Some("Edge"), Some("Windows")],
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1",
                [Some("Safari"), Some("iPhone")],
            ),
            ("curl/8.14.1", [Some("curl"), None]),
            ("click https://evil.example now", [None, None]),
        ] {
            assert_eq!(describe(header), words);
        }
    }
}
