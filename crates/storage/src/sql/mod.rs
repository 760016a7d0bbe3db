//! What the SQL engines share: dialects, and plans rendered as SQL.
