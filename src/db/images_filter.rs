//! Translates the filters of a list into SQL.

use super::statement::Statement;
use crate::model::list::{Comparison, Filter};

/// The conditions of the filters: one for each, but one together for all further tags, and one for all further
/// properties. Databases plan each subquery by itself, and PostgreSQL weighs the orders of all of them.
/// `number` is a text as a number in the words of the database.
pub(super) fn conditions(filters: &[Filter], number: &dyn Fn(&str) -> String) -> Vec<Statement> {
    let (mut tags, mut properties, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
    let (mut has_tag, mut has_property) = (false, false);
    for filter in filters {
        match filter {
            Filter::Tag(tag) if has_tag => tags.push(Statement::new("t.value = ").text(tag)),
            Filter::Property(name, value) if has_property => {
                let pair =
                    Statement::new("(p.name = ").text(name).sql(" AND p.value = ").text(value).sql(")");
                properties.push(pair);
            }
            other => {
                has_tag |= matches!(other, Filter::Tag(_));
                has_property |= matches!(other, Filter::Property(..));
                conditions.push(filter_condition(other, number));
            }
        }
    }
    let rows_of = |from: &str, wanted: Vec<Statement>| {
        let count = wanted.len();
        let any = wanted.into_iter().reduce(|all, one| all.sql(" OR ").then(one))?;
        let rows = Statement::new("(SELECT COUNT(*) FROM ").sql(from).sql(" AND (").then(any);
        Some(rows.sql(&format!(")) = {count}")))
    };
    conditions.extend(rows_of("image_tags t WHERE t.image_id = i.id", tags));
    conditions.extend(rows_of("image_properties p WHERE p.image_id = i.id", properties));
    conditions
}

/// The value of the property of an image, as `expression` of it has it. As a value of its own it leaves a database no other
/// way than to walk the images in order and to look at the property of each.
fn value_of(name: &str, expression: &str) -> Statement {
    Statement::new(&format!(
        "(SELECT {expression} FROM image_properties p WHERE p.image_id = i.id AND p.name = "
    ))
    .text(name)
    .sql(")")
}

fn filter_condition(filter: &Filter, number: &dyn Fn(&str) -> String) -> Statement {
    match filter {
        Filter::TextIn(column, values) => {
            let mut statement = Statement::new(&format!("i.{column} IN ("));
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    statement = statement.sql(", ");
                }
                statement = statement.text(value);
            }
            statement.sql(")")
        }
        Filter::Integer(column, comparison, number) => {
            Statement::new(&format!("i.{column} {} ", operator(*comparison))).integer(*number)
        }
        Filter::Time(column, comparison, time) => {
            Statement::new(&format!("i.{column} {} ", operator(*comparison))).integer(time.0)
        }
        Filter::Protected(value) => Statement::new("i.protected = ").boolean(*value),
        Filter::Tag(tag) => {
            Statement::new("EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = i.id AND t.value = ")
                .text(tag)
                .sql(")")
        }
        Filter::Property(name, value) => {
            Statement::new("EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = i.id AND p.name = ")
                .text(name)
                .sql(" AND p.value = ")
                .text(value)
                .sql(")")
        }
        Filter::PropertyOr { name, usual, value } => Statement::new("COALESCE(")
            .then(value_of(name, "p.value"))
            .sql(", ")
            .text(usual)
            .sql(") = ")
            .text(value),
        Filter::PropertyNotBelow(name, least) => Statement::new("COALESCE(")
            .then(value_of(name, &number("p.value")))
            .sql(", ")
            .integer(*least)
            .sql(") >= ")
            .integer(*least),
        Filter::AnyProperty(names) => {
            Statement::new("(SELECT COUNT(*) FROM image_properties p WHERE p.image_id = i.id AND p.name IN ")
                .texts(names.iter().copied())
                .sql(") > 0")
        }
        Filter::PropertyIsOwnId(name) => {
            Statement::new("EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = i.id AND p.name = ")
                .text(*name)
                .sql(" AND p.value = i.id)")
        }
        Filter::AtMostOrUnknown(column, most) => {
            Statement::new(&format!("(i.{column} IS NULL OR i.{column} <= ")).integer(*most).sql(")")
        }
        Filter::Never => Statement::new("1 = 0"),
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Neq => "<>",
        Comparison::Lt => "<",
        Comparison::Lte => "<=",
        Comparison::Gt => ">",
        Comparison::Gte => ">=",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the number of subqueries does not grow with the number of tags and properties.
    #[test]
    fn many_conditions_are_few_subqueries() {
        let subqueries = |count: usize| {
            let tags = (0..count).map(|n| Filter::Tag(n.to_string()));
            let properties = (0..count).map(|n| Filter::Property(n.to_string(), String::new()));
            let all: Vec<Filter> = tags.chain(properties).chain([Filter::Protected(true)]).collect();
            let text =
                conditions(&all, &str::to_owned).iter().map(|one| format!("{one:?}")).collect::<String>();
            text.matches("SELECT").count()
        };
        assert_eq!([0, 1, 2, 32].map(subqueries), [0, 2, 4, 4]);
    }
}
