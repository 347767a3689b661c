/// One item of a task as it is asked: its prompt whole, with description and examples before it.
package struct TaskItem: Sendable, Equatable {
  /// Names it among the task's, whatever else is asked beside it.
  package var id: String
  /// The kind of its prompt, where a task has kinds.
  package var kind: String?
  /// What is no independent trial has the same.
  package var cluster: String?
  package var prompt: String
  package var target: GradedTarget
  /// Of multiple choice; the target's is `rightChoice`.
  package var choices: [String] = []
  package var rightChoice = 0
}
