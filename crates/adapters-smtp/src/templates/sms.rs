//! The alphabet of text messages (3GPP TS 23.038 section 6.2.1): in it a message holds 160 characters, outside it 70.

/// Characters that take one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                     ¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Characters that take two: an escape and one more.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Characters outside the alphabet and those inside that people read the same. Only the accent is lost.
const PLAIN: [(&str, char); 18] = [
    ("áâã", 'a'),
    ("ÁÂÃÀ", 'A'),
    ("êë", 'e'),
    ("ÊËÈ", 'E'),
    ("íîï", 'i'),
    ("ÍÎÏÌ", 'I'),
    ("óôõ", 'o'),
    ("ÓÔÕÒ", 'O'),
    ("úû", 'u'),
    ("ÚÛÙ", 'U'),
    ("ç", 'c'),
    ("ýÿ", 'y'),
    ("Ý", 'Y'),
    ("“”„«»", '"'),
    ("‘’‚", '\''),
    ("–—‑", '-'),
    ("•", '*'),
    ("\u{a0}\u{202f}", ' '),
];

/// How many septets a text takes; `None` when it has a character outside the alphabet.
pub(super) fn septets(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |sum, c| match c {
        c if BASIC.contains(c) => Some(sum + 1),
        c if EXTENSION.contains(c) => Some(sum + 2),
        _ => None,
    })
}

/// The text in the alphabet of text messages, when nothing but accents and typographic marks keeps it out. Any other
/// text stays as it is.
pub(super) fn plain(text: String) -> String {
    if septets(&text).is_some() {
        return text;
    }
    let of = |c: char| match PLAIN.iter().find(|(accented, _)| accented.contains(c)) {
        Some((_, plain)) if !BASIC.contains(c) => *plain,
        _ => c,
    };
    let plain: String = text.chars().map(of).collect();
    // The mask of an address is no letter of any language: without it there may be room for 160 characters or not.
    if septets(&plain).is_some() { plain } else { text.replace('•', "*") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_given_up_for_room() {
        for (text, expected, count) in [
            ("Código: ñandú", "Codigo: ñandu", Some(13)),
            ("Votre «mot de passe» a été réinitialisé", "Votre \"mot de passe\" a été réinitialisé", Some(39)),
            ("não é você", "nao é voce", Some(10)),
            ("Ändern Sie Ihr Paßwort", "Ändern Sie Ihr Paßwort", Some(22)),
            ("a•••@example.com [x]", "a***@example.com [x]", Some(22)),
            ("код •• não", "код ** não", None),
        ] {
            let plain = plain(text.to_owned());
            assert_eq!((plain.as_str(), septets(&plain)), (expected, count));
        }
    }
}
