//! Verifies that a record is in a Merkle tree (wire contract, merkle-proof).
//!
//! A node of the tree is the SHA-256 of its two children, 32 bytes each and the smaller first, so that a proof does not
//! need to say which child is left.
//!
//! ```
//! use kiket_runtime::merkle::{self, ProofError};
//!
//! let leaf = "0x8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
//! let proof = ["0xf44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"];
//! let root = "0x8450e9a90d144185def662fffc477da5e0325d80be5de388ec20d9c58d6c72d0";
//! assert_eq!(merkle::verify(leaf, &proof, root), Ok(()));
//! assert_eq!(merkle::verify(root, &proof, leaf), Err(ProofError::Mismatch));
//! ```

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::types::hex;

/// The maximum number of steps of a proof: a tree with more levels has more leaves than 64 bits can count.
pub const MOST_STEPS: usize = 64;

/// Checks that `proof` leads from `leaf` to `root`, without a call. `proof` has the sibling of every node on the path,
/// that of the leaf first. A hash is 64 hex digits of either case, with or without `0x`.
///
/// The result is as good as the arguments: compute `leaf` from the record, and read `root` from the blockchain. A root
/// from the same source as the proof proves nothing. The function does not prove that `leaf` is a leaf: the rest of the
/// same proof also proves each node between it and the root.
///
/// # Errors
///
/// When the proof does not lead to the root, a hash is not 32 bytes in hex, there are more than [`MOST_STEPS`] steps, or
/// there is no step and the leaf is not the root.
pub fn verify(leaf: &str, proof: &[impl AsRef<str>], root: &str) -> Result<(), ProofError> {
    if proof.len() > MOST_STEPS {
        return Err(ProofError::TooLong { steps: proof.len() });
    }
    let leaf = Hash::read(leaf, Node::Leaf)?;
    let root = Hash::read(root, Node::Root)?;
    let top = (1..).zip(proof).try_fold(leaf, |node, (number, sibling)| {
        Hash::read(sibling.as_ref(), Node::Step(number)).map(|sibling| node.with(sibling))
    })?;
    if top == root {
        Ok(())
    } else if proof.is_empty() {
        Err(ProofError::Empty)
    } else {
        Err(ProofError::Mismatch)
    }
}

/// The error of [`verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A hash has characters that are not hex digits.
    #[error("{node} is not hex")]
    NotHex {
        /// The hash.
        node: Node,
    },
    /// A hash is shorter or longer than 32 bytes.
    #[error("{node} has {digits} hex digits, where a hash has 64")]
    WrongLength {
        /// The hash.
        node: Node,
        /// The number of its digits, without `0x`.
        digits: usize,
    },
    /// There are more than [`MOST_STEPS`] steps.
    #[error("the proof has {steps} steps, where {MOST_STEPS} are the most")]
    TooLong {
        /// The number of steps.
        steps: usize,
    },
    /// There is no step, and the leaf is not the root.
    #[error("the proof is empty, and the leaf is not the root")]
    Empty,
    /// The proof leads to another hash: the leaf is not in the tree, or one of the hashes was changed.
    #[error("the proof does not lead from the leaf to the root")]
    Mismatch,
}

/// A hash of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Node {
    /// The leaf.
    Leaf,
    /// A sibling, by number: 1 is that of the leaf.
    Step(usize),
    /// The root.
    Root,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf => f.write_str("the leaf"),
            Self::Step(number) => write!(f, "step {number} of the proof"),
            Self::Root => f.write_str("the root"),
        }
    }
}

/// The hash of a record or of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[doc(hidden)] // for the test kit
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of the content of a record.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Reads one:
    ///
    /// ```text
    /// hash = [ "0x" ] 64HEXDIG
    /// ```
    pub fn read(text: &str, node: Node) -> Result<Self, ProofError> {
        let hex = text.strip_prefix("0x").unwrap_or(text);
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ProofError::NotHex { node });
        }
        let mut bytes = [0; 32];
        match base16ct::mixed::decode(hex, &mut bytes) {
            Ok(whole) if whole.len() == 32 => Ok(Self(bytes)),
            _ => Err(ProofError::WrongLength { node, digits: hex.len() }),
        }
    }

    /// The node above this one and its sibling.
    #[must_use]
    pub fn with(self, sibling: Self) -> Self {
        let hash = Sha256::new().chain_update(self.min(sibling).0).chain_update(self.max(sibling).0);
        Self(hash.finalize().into())
    }
}

/// Kiket's form: lower-case hex after `0x`.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // A tree over the SHA-256 of these words, computed with Python's `hashlib`:
    //
    //                root
    //          0123       epsilon
    //      01        23
    // alpha beta gamma delta
    const ALPHA: &str = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
    const BETA: &str = "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753";
    const GAMMA: &str = "be9d587defa1f0c09ef49eb17e206983a5f8f8289e4281860bd0ee5a19592c67";
    const DELTA: &str = "4f4a9410ffcdf895c4adb880659e9b5c0dd1f23a30790684340b3eaacb045398";
    const EPSILON: &str = "6ebf3c8d63ef6b217bcee69e31f77f3634bbbef1346de27e229c17122974e27b";
    const ALPHA_BETA: &str = "8450e9a90d144185def662fffc477da5e0325d80be5de388ec20d9c58d6c72d0";
    const GAMMA_DELTA: &str = "2aece01f1c75b4cdbb978f80214b486f9f3f985dc366a6311493071e38fc2bb4";
    const FOUR: &str = "6b4a636d90a0ca3e6be9b97ca241862849e963282789e727b6826a654c211834";
    const ROOT: &str = "27cb889fc605d34340dff8604468bc980fd997e8b8636c81eaa5e9b52929bbe3";

    #[test]
    fn known_proofs_hold() {
        for (leaf, proof) in [
            (ALPHA, vec![BETA, GAMMA_DELTA, EPSILON]),
            (BETA, vec![ALPHA, GAMMA_DELTA, EPSILON]),
            (GAMMA, vec![DELTA, ALPHA_BETA, EPSILON]),
            (DELTA, vec![GAMMA, ALPHA_BETA, EPSILON]),
            (EPSILON, vec![FOUR]),
            (ROOT, vec![]),
        ] {
            assert_eq!(verify(leaf, &proof, ROOT), Ok(()), "{leaf}");
        }
    }

    #[test]
    fn pairs_are_sorted_by_their_bytes_and_hashed_raw() {
        // From Python too: the hash of 32 zeros and 32 times 0xff, and of 64 zeros.
        let (low, high) = ("00".repeat(32), "ff".repeat(32));
        let both = "bba91ca85dc914b2ec3efb9e16e7267bf9193b14350d20fba8a8b406730ae30a";
        assert_eq!(verify(&low, &[&high], both), Ok(()));
        assert_eq!(verify(&high, &[&low], both), Ok(()));
        let zeros = "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b";
        assert_eq!(verify(&low, &[&low], zeros), Ok(()));
    }

    #[test]
    fn hex_of_either_case_is_read_with_or_without_0x() {
        let written = |hex: &str| [hex.to_owned(), hex.to_uppercase(), format!("0x{hex}")];
        for ((leaf, sibling), root) in written(ALPHA).iter().zip(written(BETA)).zip(written(ALPHA_BETA)) {
            assert_eq!(verify(leaf, &[sibling], &root), Ok(()));
        }
    }

    #[test]
    fn invalid_proofs_are_errors() {
        #[track_caller]
        fn check(leaf: &str, proof: &[&str], root: &str, expected: ProofError, text: &str) {
            let error = verify(leaf, proof, root).unwrap_err();
            assert_eq!((error, error.to_string().as_str()), (expected, text));
        }
        use ProofError::{Empty, Mismatch, NotHex, TooLong, WrongLength};
        let short = ALPHA.get(2..).unwrap();
        let odd = ALPHA.get(1..).unwrap();
        let long = format!("{ALPHA}00");
        let not_hex = ALPHA.replace('e', "g");

        check(ALPHA, &[], ROOT, Empty, "the proof is empty, and the leaf is not the root");
        check(ALPHA, &[BETA], ROOT, Mismatch, "the proof does not lead from the leaf to the root");
        check(ALPHA, &[GAMMA_DELTA, BETA, EPSILON], ROOT, Mismatch, &Mismatch.to_string());
        check(ROOT, &[ROOT], ROOT, Mismatch, &Mismatch.to_string());
        check(&not_hex, &[], &not_hex, NotHex { node: Node::Leaf }, "the leaf is not hex");
        check(
            "",
            &[],
            "",
            WrongLength { node: Node::Leaf, digits: 0 },
            "the leaf has 0 hex digits, where a hash has 64",
        );
        check(
            ALPHA,
            &[BETA, odd],
            ROOT,
            WrongLength { node: Node::Step(2), digits: 63 },
            "step 2 of the proof has 63 hex digits, where a hash has 64",
        );
        for root in [short, &long] {
            let digits = root.len();
            let error = WrongLength { node: Node::Root, digits };
            check(
                ALPHA,
                &[BETA],
                root,
                error,
                &format!("the root has {digits} hex digits, where a hash has 64"),
            );
            check(
                root,
                &[],
                root,
                WrongLength { node: Node::Leaf, digits },
                &WrongLength { node: Node::Leaf, digits }.to_string(),
            );
        }
        for odd in ["0x", "0X", " ", "é", "0x0x"] {
            let leaf = format!("{odd}{ALPHA}");
            assert_eq!(verify(&leaf, &[BETA], ALPHA_BETA).is_ok(), odd == "0x", "{leaf:?}");
        }
        check(
            ALPHA,
            &[BETA; 65],
            ROOT,
            TooLong { steps: 65 },
            "the proof has 65 steps, where 64 are the most",
        );
        check(ALPHA, &[BETA; 64], ROOT, Mismatch, &Mismatch.to_string());
    }

    proptest! {
        #[test]
        fn no_input_panics_or_verifies(
            leaf in "\\PC{0,70}|(0x)?[0-9a-fA-F]{62,66}",
            proof in prop::collection::vec("\\PC{0,70}|(0x)?[0-9a-fA-F]{64}", 0..8),
            root in "\\PC{0,70}|(0x)?[0-9a-fA-F]{62,66}",
        ) {
            prop_assert!(verify(&leaf, &proof, &root).is_err());
        }
    }
}
