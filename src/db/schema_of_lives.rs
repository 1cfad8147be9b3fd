//! The tables about the lifecycle of images and the limits and rules of projects, which Glance does not have; see
//! [`super::schema`].
#![allow(missing_docs)]

use super::schema::{blobs, consumers, images};

diesel::table! {
    /// Families of images that were published.
    families (owner, name) {
        owner -> Text,
        name -> Text,
        publications -> BigInt,
    }
}

diesel::table! {
    /// The latest publications of families.
    family_publications (owner, name, number) {
        owner -> Text,
        name -> Text,
        number -> BigInt,
        image_id -> Text,
        changes -> Text,
        published_at -> BigInt,
    }
}

diesel::table! {
    /// Which images of a project stay.
    retention_rules (owner, family) {
        owner -> Text,
        family -> Text,
        rule -> Text,
        next_run_at -> BigInt,
        report -> Nullable<Text>,
        updated_at -> BigInt,
    }
}

diesel::table! {
    /// Groups in which images are offered.
    media_groups (folded) {
        folded -> Text,
        name -> Text,
        label -> Text,
        description -> Nullable<Text>,
        icon -> Nullable<Text>,
        visible -> Bool,
        position -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    /// Deleted images that can come back.
    trash (image_id) {
        image_id -> Text,
        owner -> Nullable<Text>,
        deleted_at -> BigInt,
        expires_at -> BigInt,
        record -> Text,
    }
}

diesel::table! {
    /// What single projects may have.
    project_limits (project_id) {
        project_id -> Text,
        limits -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    /// What projects with a limit on that have created within the last minute.
    image_creations (project_id, created_at, image_id) {
        project_id -> Text,
        created_at -> BigInt,
        image_id -> Text,
    }
}

diesel::table! {
    /// When images ceased to be protected, where that delays their deletion.
    unprotected_images (image_id) {
        image_id -> Text,
        since -> BigInt,
    }
}

diesel::table! {
    /// What is to be done with images by their dates.
    image_dates (image_id, act) {
        image_id -> Text,
        act -> Text,
        due_at -> BigInt,
    }
}

diesel::table! {
    /// The short names of images.
    image_slugs (owner, slug) {
        owner -> Text,
        slug -> Text,
        image_id -> Text,
    }
}

diesel::table! {
    /// When images were last downloaded.
    image_downloads (image_id) {
        image_id -> Text,
        downloaded_at -> BigInt,
    }
}

diesel::table! {
    /// Uploads in parts.
    uploads (id) {
        id -> Text,
        image_id -> Text,
        project_id -> Text,
        place -> Text,
        store -> Nullable<Text>,
        size -> BigInt,
        part_size -> BigInt,
        expected -> Nullable<Text>,
        job_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    /// What has arrived of them.
    upload_pieces (upload_id, first_byte) {
        upload_id -> Text,
        first_byte -> BigInt,
        length -> BigInt,
        blob_id -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(trash, images);
diesel::allow_tables_to_appear_in_same_query!(trash, blobs);
diesel::allow_tables_to_appear_in_same_query!(trash, consumers);
diesel::allow_tables_to_appear_in_same_query!(uploads, blobs);
diesel::allow_tables_to_appear_in_same_query!(upload_pieces, blobs);
diesel::allow_tables_to_appear_in_same_query!(upload_pieces, uploads);
