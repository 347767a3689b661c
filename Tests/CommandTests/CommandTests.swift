import Testing

/// The program as a user runs it. One run at a time, since each rank wants a core.
@Suite(.serialized)
enum CommandTests {}
