//! Parses a leaf page, changes its elements, and writes a new page in the same space.

use super::{messages, numbers};
use crate::seeded_random::SeededRandom;

/// Size of a page header and of an element.
const HEADER: usize = 16;

struct Element {
    flags: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Changes the elements of the leaf page in `page`, which may be any bytes, and returns a description. `None` if it cannot be parsed, or the result does not fit.
pub fn change(page: &mut [u8], rng: &mut SeededRandom) -> Option<String> {
    let mut elements = elements(page)?;
    if elements.is_empty() {
        return None;
    }
    let at = rng.below(elements.len());
    let words = match rng.below(8) {
        0 => {
            elements.remove(at);
            format!("element {at} removed")
        }
        1 => {
            let pair = &elements[at];
            let copy = Element { flags: pair.flags, key: pair.key.clone(), value: pair.value.clone() };
            elements.insert(at, copy);
            format!("element {at} twice")
        }
        2 => {
            let other = rng.below(elements.len());
            elements.swap(at, other);
            format!("elements {at} and {other} swapped")
        }
        3 => {
            let (one, other) = (at, rng.below(elements.len()));
            let value = std::mem::take(&mut elements[one].value);
            let value = std::mem::replace(&mut elements[other].value, value);
            elements[one].value = value;
            format!("values of elements {at} and {other} swapped")
        }
        4 => {
            let key = &mut elements[at].key;
            if rng.chance(50) && key.len() == 17 {
                key.push(b't');
            } else if rng.chance(50) && key.len() >= 8 {
                let old = u64::from_be_bytes(key[..8].try_into().ok()?);
                key[..8].copy_from_slice(&numbers::number_near(old, 64, rng).to_be_bytes());
            } else {
                let bit = rng.below(key.len() * 8);
                *key.get_mut(bit / 8)? ^= 1 << (bit % 8);
            }
            format!("key of element {at} changed")
        }
        _ if elements[at].flags == 1 && elements[at].value.len() > HEADER => {
            let printed = change(&mut elements[at].value[HEADER..], rng)?;
            format!("inline bucket of element {at}: {printed}")
        }
        _ => {
            let (value, printed) = messages::mutate(&elements[at].value, rng);
            elements[at].value = value;
            format!("value of element {at}: {printed}")
        }
    };
    write(page, &elements)?;
    Some(words)
}

fn elements(page: &[u8]) -> Option<Vec<Element>> {
    let count = usize::from(u16::from_le_bytes(page.get(10..12)?.try_into().ok()?));
    let pair = |index: usize| {
        let at = HEADER + HEADER * index;
        let field =
            |offset| Some(u32::from_le_bytes(page.get(at + offset..at + offset + 4)?.try_into().ok()?) as usize);
        let key = at.checked_add(field(4)?)?;
        let value = key.checked_add(field(8)?)?;
        let end = value.checked_add(field(12)?)?;
        Some(Element {
            flags: field(0)? as u32,
            key: page.get(key..value)?.to_vec(),
            value: page.get(value..end)?.to_vec(),
        })
    };
    // Elements of a forged page may share bytes, so stop after the bytes of a few pages.
    let mut left = 4 * page.len();
    (0..count)
        .map(|index| {
            let pair = pair(index)?;
            left = left.checked_sub(pair.key.len() + pair.value.len() + HEADER)?;
            Some(pair)
        })
        .collect()
}

fn write(page: &mut [u8], elements: &[Element]) -> Option<()> {
    let size: usize = elements.iter().map(|pair| HEADER + pair.key.len() + pair.value.len()).sum();
    let room = page.get_mut(..HEADER + size)?;
    room[10..12].copy_from_slice(&u16::try_from(elements.len()).ok()?.to_le_bytes());
    let mut next = HEADER + HEADER * elements.len();
    for (index, pair) in elements.iter().enumerate() {
        let at = HEADER + HEADER * index;
        let fields = [pair.flags, (next - at) as u32, pair.key.len() as u32, pair.value.len() as u32];
        for (number, field) in fields.into_iter().enumerate() {
            room[at + 4 * number..at + 4 * number + 4].copy_from_slice(&field.to_le_bytes());
        }
        for part in [&pair.key, &pair.value] {
            room[next..next + part.len()].copy_from_slice(part);
            next += part.len();
        }
    }
    Some(())
}
