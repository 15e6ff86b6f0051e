//! Telling: log levels, the timeline, the trace. Ground floor: knows `context` and `clock`.
