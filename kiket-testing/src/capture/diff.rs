//! The lines in which two texts differ.

/// How many equal lines are shown around a difference.
const AROUND: usize = 3;

/// The most pairs of lines that are compared with each other.
const MOST: usize = 4_000_000;

/// The difference as lines with `-`, `+`, or two spaces; `…` stands for equal lines that are left out.
pub(super) fn diff(before: &str, after: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let lines = edits(&old, &new);
    let differs: Vec<usize> =
        (0..).zip(&lines).filter(|(_, (sign, _))| *sign != ' ').map(|(at, _)| at).collect();
    let is_near = |at: usize| {
        let next = differs.partition_point(|differs| differs + AROUND < at);
        differs.get(next).is_some_and(|differs| *differs <= at + AROUND)
    };
    let (mut shown, mut left_out) = (String::new(), false);
    for (at, (sign, line)) in lines.iter().enumerate() {
        if is_near(at) {
            shown.extend([sign.to_string().as_str(), " ", line, "\n"]);
        } else if !left_out {
            shown += "  …\n";
        }
        left_out = !is_near(at);
    }
    shown
}

/// The lines of both texts, each once where they have it in common.
fn edits<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(char, &'t str)> {
    let first = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (begin, old, new) = (&old[..first], &old[first..], &new[first..]);
    let last = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let ((old, end), (new, _)) = (old.split_at(old.len() - last), new.split_at(new.len() - last));
    let equal = |line: &&'t str| (' ', *line);
    begin.iter().map(equal).chain(middle(old, new)).chain(end.iter().map(equal)).collect()
}

/// The same by the longest common subsequence, unless the texts are too long for it.
fn middle<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(char, &'t str)> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MOST {
        return old.iter().map(|line| ('-', *line)).chain(new.iter().map(|line| ('+', *line))).collect();
    }
    // The length of the longest subsequence that the rests of both have in common.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            common[at * width + other] = if old[at] == new[other] {
                common[(at + 1) * width + other + 1] + 1
            } else {
                common[(at + 1) * width + other].max(common[at * width + other + 1])
            };
        }
    }
    let (mut at, mut other, mut lines) = (0, 0, Vec::new());
    while at < old.len() || other < new.len() {
        let both = at < old.len() && other < new.len();
        if both && old[at] == new[other] {
            lines.push((' ', old[at]));
            (at, other) = (at + 1, other + 1);
        } else if other == new.len()
            || (both && common[(at + 1) * width + other] >= common[at * width + other + 1])
        {
            lines.push(('-', old[at]));
            at += 1;
        } else {
            lines.push(('+', new[other]));
            other += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_differs_is_shown_with_lines_around() {
        let before: Vec<_> = (0..20).map(|line| line.to_string()).collect();
        let mut after = before.clone();
        after[9] = "nine".into();
        after.insert(10, "more".into());
        let shown = diff(&before.join("\n"), &after.join("\n"));
        assert_eq!(shown, "  …\n  6\n  7\n  8\n- 9\n+ nine\n+ more\n  10\n  11\n  12\n  …\n");
        assert_eq!(diff("a\nb", "a\nb"), "  …\n");
        assert_eq!(diff("", "a"), "+ a\n");
    }

    proptest! {
        #[test]
        fn both_texts_are_in_the_lines(old in "([abc]\n){0,12}", new in "([abc]\n){0,12}") {
            let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
            let lines = edits(&old, &new);
            let without = |sign| lines.iter().filter(|(of, _)| *of != sign).map(|(_, line)| *line).collect::<Vec<_>>();
            prop_assert_eq!(without('+'), old);
            prop_assert_eq!(without('-'), new);
        }
    }

    #[test]
    fn texts_too_long_to_compare_follow_each_other() {
        let text =
            |letter: &str| (0..3_000).map(|line| format!("{letter}{line}")).collect::<Vec<_>>().join("\n");
        let shown = diff(&text("a"), &text("b"));
        assert!(shown.starts_with("- a0\n") && shown.ends_with("+ b2999\n"));
    }
}
