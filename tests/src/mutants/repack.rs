//! A leaf page taken apart, changed, and written anew into the same bytes.

use super::{messages, numbers};
use crate::seeded_random::Dice;

/// Bytes of a page header and of an element.
const HEADER: usize = 16;

struct Pair {
    flags: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Changes the pairs of the leaf page in `page`, which may be any bytes; in words what was done. None when it cannot be taken apart, or what comes out does not fit.
pub fn change(page: &mut [u8], dice: &mut Dice) -> Option<String> {
    let mut pairs = pairs(page)?;
    if pairs.is_empty() {
        return None;
    }
    let at = dice.below(pairs.len());
    let words = match dice.below(8) {
        0 => {
            pairs.remove(at);
            format!("element {at} removed")
        }
        1 => {
            let pair = &pairs[at];
            let copy = Pair { flags: pair.flags, key: pair.key.clone(), value: pair.value.clone() };
            pairs.insert(at, copy);
            format!("element {at} twice")
        }
        2 => {
            let other = dice.below(pairs.len());
            pairs.swap(at, other);
            format!("elements {at} and {other} swapped")
        }
        3 => {
            let (one, other) = (at, dice.below(pairs.len()));
            let value = std::mem::take(&mut pairs[one].value);
            let value = std::mem::replace(&mut pairs[other].value, value);
            pairs[one].value = value;
            format!("values of elements {at} and {other} swapped")
        }
        4 => {
            let key = &mut pairs[at].key;
            if dice.chance(50) && key.len() == 17 {
                key.push(b't');
            } else if dice.chance(50) && key.len() >= 8 {
                let old = u64::from_be_bytes(key[..8].try_into().ok()?);
                key[..8].copy_from_slice(&numbers::near(old, 64, dice).to_be_bytes());
            } else {
                let bit = dice.below(key.len() * 8);
                *key.get_mut(bit / 8)? ^= 1 << (bit % 8);
            }
            format!("key of element {at} changed")
        }
        _ if pairs[at].flags == 1 && pairs[at].value.len() > HEADER => {
            let said = change(&mut pairs[at].value[HEADER..], dice)?;
            format!("inline bucket of element {at}: {said}")
        }
        _ => {
            let (value, said) = messages::mutate(&pairs[at].value, dice);
            pairs[at].value = value;
            format!("value of element {at}: {said}")
        }
    };
    write(page, &pairs)?;
    Some(words)
}

fn pairs(page: &[u8]) -> Option<Vec<Pair>> {
    let count = usize::from(u16::from_le_bytes(page.get(10..12)?.try_into().ok()?));
    let pair = |index: usize| {
        let at = HEADER + HEADER * index;
        let field =
            |offset| Some(u32::from_le_bytes(page.get(at + offset..at + offset + 4)?.try_into().ok()?) as usize);
        let key = at.checked_add(field(4)?)?;
        let value = key.checked_add(field(8)?)?;
        let end = value.checked_add(field(12)?)?;
        Some(Pair {
            flags: field(0)? as u32,
            key: page.get(key..value)?.to_vec(),
            value: page.get(value..end)?.to_vec(),
        })
    };
    // Elements of a forged page may share bytes; no more is taken out than a few pages hold.
    let mut left = 4 * page.len();
    (0..count)
        .map(|index| {
            let pair = pair(index)?;
            left = left.checked_sub(pair.key.len() + pair.value.len() + HEADER)?;
            Some(pair)
        })
        .collect()
}

fn write(page: &mut [u8], pairs: &[Pair]) -> Option<()> {
    let size: usize = pairs.iter().map(|pair| HEADER + pair.key.len() + pair.value.len()).sum();
    let room = page.get_mut(..HEADER + size)?;
    room[10..12].copy_from_slice(&u16::try_from(pairs.len()).ok()?.to_le_bytes());
    let mut next = HEADER + HEADER * pairs.len();
    for (index, pair) in pairs.iter().enumerate() {
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
