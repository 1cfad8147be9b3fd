//! Statements whose text is built at run time.

use diesel::{
    QueryResult, RunQueryDsl,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Nullable, Text, Untyped},
};

use super::{Conn, DbResult, conn::MultiBackend};

/// A value bound into a [`Statement`].
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Sql(String),
    Text(String),
    BigInt(i64),
    Bool(bool),
    MaybeText(Option<String>),
    MaybeBigInt(Option<i64>),
}

/// A statement whose text depends on its input; values are always bound, never spelled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    parts: Vec<Part>,
    is_kept: bool,
}

impl Statement {
    /// Starts with fixed text.
    pub fn new(sql: &str) -> Self {
        Self::default().sql(sql)
    }

    /// Appends fixed text.
    #[must_use]
    pub fn sql(mut self, sql: &str) -> Self {
        match self.parts.last_mut() {
            Some(Part::Sql(text)) => text.push_str(sql),
            _ => self.parts.push(Part::Sql(sql.to_owned())),
        }
        self
    }

    /// Appends a bound text.
    #[must_use]
    pub fn text(mut self, value: impl Into<String>) -> Self {
        self.parts.push(Part::Text(value.into()));
        self
    }

    /// Appends a bound integer.
    #[must_use]
    pub fn integer(mut self, value: i64) -> Self {
        self.parts.push(Part::BigInt(value));
        self
    }

    /// Appends a bound boolean.
    #[must_use]
    pub fn boolean(mut self, value: bool) -> Self {
        self.parts.push(Part::Bool(value));
        self
    }

    /// Appends a bound text, or NULL.
    #[must_use]
    pub fn maybe_text(mut self, value: Option<&str>) -> Self {
        self.parts.push(Part::MaybeText(value.map(str::to_owned)));
        self
    }

    /// Appends a bound integer, or NULL.
    #[must_use]
    pub fn maybe_integer(mut self, value: Option<i64>) -> Self {
        self.parts.push(Part::MaybeBigInt(value));
        self
    }

    /// Appends these, each behind a comma, bound: texts, or NULL.
    #[must_use]
    pub fn maybe_texts<'a>(mut self, values: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        for value in values {
            self = self.sql(", ").maybe_text(value);
        }
        self
    }

    /// Appends `(…)` with these texts, bound.
    #[must_use]
    pub fn texts<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut before = "(";
        for value in values {
            self = self.sql(before).text(value);
            before = ", ";
        }
        self.sql(")")
    }

    /// Says that its text is one of few, so that connections keep it prepared: the database reads and plans it once.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { is_kept: true, ..self }
    }

    /// Runs it for what it changes.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn execute_on(self, conn: &mut Conn) -> DbResult<()> {
        Ok(self.execute(conn).map(drop)?)
    }

    /// Appends another statement.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        for part in other.parts {
            match part {
                Part::Sql(sql) => self = self.sql(&sql),
                value => self.parts.push(value),
            }
        }
        self
    }
}

impl QueryFragment<MultiBackend> for Statement {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        // Most texts are many (one for each combination of filters): keeping them would grow without bound.
        if !self.is_kept {
            pass.unsafe_to_cache_prepared();
        }
        for part in &self.parts {
            match part {
                Part::Sql(sql) => pass.push_sql(sql),
                Part::Text(value) => pass.push_bind_param::<Text, _>(value)?,
                Part::BigInt(value) => pass.push_bind_param::<BigInt, _>(value)?,
                Part::Bool(value) => pass.push_bind_param::<Bool, _>(value)?,
                Part::MaybeText(value) => pass.push_bind_param::<Nullable<Text>, _>(value)?,
                Part::MaybeBigInt(value) => pass.push_bind_param::<Nullable<BigInt>, _>(value)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

impl RunQueryDsl<Conn> for Statement {}
