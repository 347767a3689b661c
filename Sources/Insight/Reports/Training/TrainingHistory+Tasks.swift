import JSON
import Telemetry

extension TrainingHistory {
  /// What a model got right of a task after a step.
  package struct TaskScore: Sendable, Equatable {
    package var step: Int
    package var task: String
    package var right: Int
    package var count: Int
  }

  static let taskLimit = 64
  private static let taskNameLimit = 200

  /// Names of tasks, in the order in which they came.
  var taskNames: [String] {
    var names: [String] = []
    for score in taskScores where !names.contains(score.task) { names.append(score.task) }
    return names
  }

  /// Notes that `right` of `count` items of a task were right after `step` steps; tasks beyond `taskLimit` are left
  /// out.
  package mutating func addTask(step: Int, task: String, right: Int, count: Int) {
    let name = String(task.unicodeScalars.prefix(Self.taskNameLimit))
    guard step > 0, count > 0, (0...count).contains(right), count < PolicyStep.Completions.limit else { return }
    let names = taskNames
    guard names.contains(name) || names.count < Self.taskLimit else { return }
    taskScores.append(TaskScore(step: step, task: name, right: right, count: count))
    guard taskScores.count > Self.listLimit else { return }
    // Every other step of each task goes, but for the last.
    for name in taskNames {
      let own = taskScores.filter { $0.task == name }
      let kept = Set(own.enumerated().filter { $0.offset % 2 == 1 || $0.offset == own.count - 1 }.map(\.element.step))
      taskScores.removeAll { $0.task == name && !kept.contains($0.step) }
    }
  }

  var tasksJSON: JSONValue {
    .array(
      taskScores.map {
        ["step": .int($0.step), "task": .string($0.task), "right": .int($0.right), "count": .int($0.count)]
      })
  }

  /// Reads what `tasksJSON` wrote.
  mutating func readTasks(_ json: JSONValue) throws(MalformedAccount) {
    let scores = json.array ?? []
    guard scores.count <= Self.listLimit else { throw MalformedAccount(reason: "it is too long") }
    for score in scores {
      let (step, right, count) = (
        try score.count("step", below: Self.stepLimit), try score.count("right", below: PolicyStep.Completions.limit),
        try score.count("count", below: PolicyStep.Completions.limit)
      )
      guard let task = score["task"]?.string, step > 0, count > 0, right <= count else {
        throw MalformedAccount(reason: "a task's result is none")
      }
      addTask(step: step, task: task, right: right, count: count)
    }
  }
}
