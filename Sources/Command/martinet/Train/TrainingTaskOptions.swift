import ArgumentParser

/// Tasks that the model in training is asked as it learns, as `eval` asks them.
struct TrainingTaskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Ask the model these tasks as it learns, as `martinet eval` does: names or folders, with commas between them.",
      valueName: "name|dir,…"))
  var task: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps from one asking of --task to the next; the last step asks, too. (default: --score-every)",
      valueName: "steps"))
  var taskEvery: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Only the first n items of each of --task.", valueName: "n"))
  var taskLimit: Int?

  @Flag(help: "Ask --task as a user's message, laid out with the model's chat template.") var taskChat = false

  /// Names and folders.
  var names: [String] { (task ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init) }

  func validate() throws {
    for (name, value) in [("task-every", taskEvery), ("task-limit", taskLimit)] {
      guard let value else { continue }
      if task == nil { throw ValidationError("--\(name) needs --task") }
      if value < 1 { throw ValidationError("--\(name) \(value) is not at least 1") }
    }
    if taskChat, task == nil { throw ValidationError("--task-chat needs --task") }
    if let task, names.contains("") { throw ValidationError("--task \"\(task)\" has an empty name") }
  }
}
