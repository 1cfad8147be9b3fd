//! `/v2/images` and below, file for file as in `src/api/images/`.

mod create;
