//! The REST dialect: PostgREST 16.
