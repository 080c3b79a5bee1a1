//! Merkle trees, from which proofs are taken.

use kiket_runtime::merkle::Hash;

/// A Merkle tree over the hashes of records, as `kiket::merkle` checks it. A node without a sibling goes up as it is:
/// if it were hashed with itself, a tree with it twice would have the same root.
pub(super) struct Tree {
    /// The leaves first, the root last.
    levels: Vec<Vec<Hash>>,
    root: Hash,
}

impl Tree {
    /// A tree of at least one leaf.
    pub(super) fn of(first: Hash, others: impl IntoIterator<Item = Hash>) -> Self {
        let mut levels = vec![std::iter::once(first).chain(others).collect::<Vec<_>>()];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).filter_map(|pair| pair.iter().copied().reduce(Hash::with)).collect();
            levels.push(above);
        }
        let root = levels.last().and_then(|level| level.first()).copied().unwrap_or(first);
        Self { levels, root }
    }

    pub(super) fn root(&self) -> Hash {
        self.root
    }

    /// The siblings on the way from a leaf to the root.
    pub(super) fn proof(&self, leaf: usize) -> Vec<Hash> {
        let on_the_way = self.levels.iter().enumerate().map(|(height, level)| (level, leaf >> height));
        on_the_way.filter_map(|(level, index)| level.get(index ^ 1).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use kiket_runtime::merkle::{Node, ProofError, verify};

    fn tree(contents: &[[u8; 8]]) -> Tree {
        let mut leaves = contents.iter().map(|content| Hash::of(content));
        Tree::of(leaves.next().unwrap(), leaves)
    }

    /// A hash with one bit changed, in hex.
    fn changed(hash: Hash, bit: usize) -> String {
        let mut digits = hash.to_string().into_bytes();
        let digit = &mut digits[2 + bit / 4];
        let value = (*digit as char).to_digit(16).unwrap() ^ (1 << (bit % 4));
        *digit = char::from_digit(value, 16).unwrap() as u8;
        String::from_utf8(digits).unwrap()
    }

    #[test]
    fn the_hash_of_a_record_is_the_one_that_python_computes() {
        let alpha = "0x8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
        assert_eq!(Hash::of(b"alpha").to_string(), alpha);
        assert_eq!(Hash::read(alpha, Node::Leaf), Ok(Hash::of(b"alpha")));
        for text in ["", "0x", &alpha[1..], &alpha.replacen("0x", "0x0x", 1)] {
            assert!(Hash::read(text, Node::Leaf).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tree_of_three_is_the_one_that_python_computes() {
        let leaves = [b"alpha".as_slice(), b"beta", b"gamma"].map(Hash::of);
        let tree = Tree::of(leaves[0], leaves[1..].iter().copied());
        // hashlib: pair(pair(alpha, beta), gamma)
        let root = "0xc090e94bc3a99676b532c602c1e5c68d53266dbf246e295a6b9b6a547da51fa2";
        assert_eq!(tree.root().to_string(), root);
        assert_eq!(tree.proof(2).len(), 1, "what has no sibling goes up as it is");
    }

    /// A proof with this bit of leaf, root or one of its steps changed is refused.
    #[track_caller]
    fn refuse_changed(tree: &Tree, index: usize, bit: usize) {
        let (leaf, root, proof) = (tree.levels[0][index], tree.root(), tree.proof(index));
        let written: Vec<_> = proof.iter().map(Hash::to_string).collect();
        let wrong = Err(if proof.is_empty() { ProofError::Empty } else { ProofError::Mismatch });
        assert_eq!(
            verify(&changed(leaf, bit), &written, &root.to_string()),
            wrong,
            "leaf {index}, bit {bit}"
        );
        assert_eq!(
            verify(&leaf.to_string(), &written, &changed(root, bit)),
            wrong,
            "root {index}, bit {bit}"
        );
        for (step, sibling) in proof.iter().enumerate() {
            let mut written = written.clone();
            written[step] = changed(*sibling, bit);
            assert_eq!(
                verify(&leaf.to_string(), &written, &root.to_string()),
                wrong,
                "step {step}, bit {bit}"
            );
        }
    }

    #[test]
    fn every_bit_counts() {
        let tree = tree(&[[1; 8], [2; 8], [3; 8], [4; 8], [5; 8]]);
        for (index, bit) in (0..5).flat_map(|index| (0..256).map(move |bit| (index, bit))) {
            refuse_changed(&tree, index, bit);
        }
    }

    #[test]
    fn the_only_leaf_is_the_root_and_needs_no_proof() {
        let tree = tree(&[[7; 8]]);
        assert_eq!((tree.root(), tree.proof(0)), (tree.levels[0][0], Vec::new()));
    }

    proptest! {
        #[test]
        fn every_proof_of_every_leaf_holds(contents in prop::collection::vec(any::<[u8; 8]>(), 1..41)) {
            let tree = tree(&contents);
            let root = tree.root().to_string();
            for (index, leaf) in tree.levels[0].iter().enumerate() {
                let proof: Vec<_> = tree.proof(index).iter().map(Hash::to_string).collect();
                prop_assert!(proof.len() <= 6, "{}", proof.len());
                prop_assert_eq!(verify(&leaf.to_string(), &proof, &root), Ok(()));
            }
        }

        #[test]
        fn no_changed_bit_is_taken(
            contents in prop::collection::vec(any::<[u8; 8]>(), 1..41),
            index in any::<prop::sample::Index>(),
            bit in 0..256usize,
        ) {
            refuse_changed(&tree(&contents), index.index(contents.len()), bit);
        }

        #[test]
        fn no_step_can_be_left_out_or_added(contents in prop::collection::vec(any::<[u8; 8]>(), 2..41)) {
            let tree = tree(&contents);
            let (leaf, root) = (tree.levels[0][0].to_string(), tree.root().to_string());
            let proof: Vec<_> = tree.proof(0).iter().map(Hash::to_string).collect();
            for step in 0..proof.len() {
                let mut shorter = proof.clone();
                shorter.remove(step);
                prop_assert!(verify(&leaf, &shorter, &root).is_err());
                let mut longer = proof.clone();
                longer.insert(step, proof[step].clone());
                prop_assert!(verify(&leaf, &longer, &root).is_err());
            }
        }
    }
}
