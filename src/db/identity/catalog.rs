//! The catalog: services, their endpoints, and regions.

/// Services.
pub mod services {
    use diesel::prelude::*;

    use crate::db::{
        Conn, DbResult,
        identity::{LIST_ROWS_MAX, keyed_rows},
        schema::{identity_endpoints, identity_limits, identity_services},
    };

    /// One row of `identity_services`.
    #[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
    #[diesel(table_name = identity_services)]
    #[diesel(treat_none_as_null = true)]
    pub struct Service {
        /// 32 hexadecimal digits.
        pub id: String,
        /// `image`, `identity` …; Keystone's `type`.
        pub kind: String,
        /// May be empty, need not be unique.
        pub name: String,
        /// Free text.
        pub description: Option<String>,
        /// A disabled service is left out of the catalog.
        pub enabled: bool,
        /// JSON object of further attributes.
        pub extra: String,
    }

    keyed_rows!(identity_services, Service);

    /// All services, one more than [`LIST_ROWS_MAX`] at most.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn list(conn: &mut Conn) -> DbResult<Vec<Service>> {
        Ok(identity_services::table
            .order((identity_services::kind, identity_services::id))
            .limit(LIST_ROWS_MAX + 1)
            .select(Service::as_select())
            .load(conn)?)
    }

    /// Removes a service with its endpoints and limits.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
        diesel::delete(identity_endpoints::table.filter(identity_endpoints::service_id.eq(id)))
            .execute(conn)?;
        diesel::delete(identity_limits::table.filter(identity_limits::service_id.eq(id))).execute(conn)?;
        diesel::delete(identity_services::table.filter(identity_services::id.eq(id))).execute(conn)?;
        Ok(())
    }
}

/// Endpoints.
pub mod endpoints {
    use diesel::prelude::*;

    use crate::db::{
        Conn, DbResult,
        identity::{LIST_ROWS_MAX, keyed_rows},
        schema::identity_endpoints,
    };

    /// One row of `identity_endpoints`.
    #[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
    #[diesel(table_name = identity_endpoints)]
    #[diesel(treat_none_as_null = true)]
    pub struct Endpoint {
        /// 32 hexadecimal digits.
        pub id: String,
        /// The service that is reached there.
        pub service_id: String,
        /// `public`, `internal` or `admin`.
        pub interface: String,
        /// The region, if any.
        pub region_id: Option<String>,
        /// URL; `$(base_url)s` and `$(project_id)s` are replaced when it is shown in a catalog.
        pub url: String,
        /// A disabled endpoint is left out of the catalog.
        pub enabled: bool,
        /// JSON object of further attributes.
        pub extra: String,
    }

    keyed_rows!(identity_endpoints, Endpoint);

    /// All endpoints, one more than [`LIST_ROWS_MAX`] at most.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn list(conn: &mut Conn) -> DbResult<Vec<Endpoint>> {
        Ok(identity_endpoints::table
            .order((identity_endpoints::service_id, identity_endpoints::interface, identity_endpoints::id))
            .limit(LIST_ROWS_MAX + 1)
            .select(Endpoint::as_select())
            .load(conn)?)
    }

    /// Removes an endpoint.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
        diesel::delete(identity_endpoints::table.filter(identity_endpoints::id.eq(id))).execute(conn)?;
        Ok(())
    }
}

/// Regions.
pub mod regions {
    use diesel::prelude::*;

    use crate::db::{
        Conn, DbResult,
        identity::{LIST_ROWS_MAX, keyed_rows},
        schema::identity_regions,
    };

    /// One row of `identity_regions`.
    #[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
    #[diesel(table_name = identity_regions)]
    #[diesel(treat_none_as_null = true)]
    pub struct Region {
        /// Its name, chosen by the operator.
        pub id: String,
        /// Free text.
        pub description: String,
        /// The region around this one.
        pub parent_region_id: Option<String>,
    }

    keyed_rows!(identity_regions, Region);

    /// All regions, one more than [`LIST_ROWS_MAX`] at most.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn list(conn: &mut Conn) -> DbResult<Vec<Region>> {
        Ok(identity_regions::table
            .order(identity_regions::id)
            .limit(LIST_ROWS_MAX + 1)
            .select(Region::as_select())
            .load(conn)?)
    }

    /// Removes a region.
    ///
    /// # Errors
    /// Only the database's own.
    pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
        diesel::delete(identity_regions::table.filter(identity_regions::id.eq(id))).execute(conn)?;
        Ok(())
    }
}
