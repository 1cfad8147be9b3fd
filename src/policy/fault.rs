//! Reasons why a check cannot be decided.

/// Why an evaluation ended without a result; where oslo.policy raises, the decision is a denial that `not` cannot
/// invert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The answer of the policy server at this URL is needed first.
    Remote(String),
    /// A check that cannot be evaluated, in words.
    Broken(String),
    /// References form a cycle, or are beyond all bounds.
    Endless,
}
