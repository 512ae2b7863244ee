//! The word that a mistyped word was probably meant to be. Suggests nothing
//! when nothing is near.

/// Longer words are not compared.
const COMPARED_MAX: usize = 48;

pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > COMPARED_MAX {
        return None;
    }
    let near = known.into_iter().map(|one| (distance(word, one), one));
    let (steps, best) = near.min_by_key(|(steps, _)| *steps)?;
    (steps <= 1 + best.len() / 4 && steps < best.len()).then_some(best)
}

/// How many letters must be typed, dropped, changed or swapped with their
/// neighbour.
fn distance(one: &str, two: &str) -> usize {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=two.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=two.len() {
            let changed = above[j - 1] + usize::from(one[i - 1] != two[j - 1]);
            let mut least = changed.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == two[j - 2] && one[i - 2] == two[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let known = ["name_zh", "name_en", "prefix", "links"];
        assert_eq!(nearest("nmae_zh", known), Some("name_zh"));
        assert_eq!(nearest("link", known), Some("links"));
        assert_eq!(nearest("colour", known), None);
    }
}
