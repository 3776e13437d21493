//! How a target takes its input apart. Inputs stay readable: what stands before a line break, what stands behind it.

/// The text of all bytes; `None` when they are no UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What stands before the first line break and what stands behind it.
pub(crate) fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = bytes.split_at(at.unwrap_or(bytes.len()));
    (line, rest.get(1..).unwrap_or_default())
}

/// The lines, all of them text; `None` when one is none.
pub(crate) fn lines(bytes: &[u8]) -> Option<Vec<&str>> {
    text(bytes).map(|text| text.split('\n').collect())
}

/// Changes to bytes that were good. Four bytes of input are one change: a place (two bytes), what is done there, and with
/// which byte.
pub(crate) fn edited(genuine: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut changed = genuine.to_vec();
    for edit in edits.chunks(4) {
        let [high, low, what, with] = *edit else { break };
        let place = usize::from(u16::from_be_bytes([high, low])) % changed.len().max(1);
        match what % 5 {
            0 => changed.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= with),
            1 => changed.iter_mut().skip(place).take(1).for_each(|byte| *byte = with),
            2 => changed.insert(place.min(changed.len()), with),
            3 if place < changed.len() => {
                changed.remove(place);
            }
            _ => changed.truncate(place),
        }
    }
    changed
}
