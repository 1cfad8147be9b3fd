//! stub
use crate::model::caller::Caller;
use std::borrow::Cow;
/// t
pub trait Target {
    /// g
    fn get(&self, key: &str) -> Option<Cow<'_, str>>;
    /// e
    fn entries(&self) -> Vec<(String, serde_json::Value)>;
}
/// e
pub struct Enforcer;
impl Enforcer {
    /// c
    pub async fn check(
        &self,
        _rule: &str,
        _caller: &Caller,
        _target: &(dyn Target + Sync),
    ) -> Result<bool, String> {
        Ok(true)
    }
    /// a
    pub fn is_admin(&self, caller: &Caller) -> bool {
        caller.has_role("admin")
    }
}
