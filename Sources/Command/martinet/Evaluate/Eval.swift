import ArgumentParser
import Evaluation

/// `martinet eval`: what a model gets right.
struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Ask a model the items of tasks, and tell what is right, with intervals.",
    discussion: """
      martinet eval --task chain-sum,capitals --limit 200
      mpirun -n 2 martinet eval --model DIR --task my-task --chat --out result.json
      martinet eval --endpoint http://127.0.0.1:8000 --task capitals --chat
      All items run together as one continuous batch; results are the same at any number of ranks. A task is a folder
      with task.json and items.jsonl, or one of those that ship: \(ShippedTasks.names.joined(separator: ", ")).
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var template: TemplateOptions

  @Option(help: ArgumentHelp("Tasks, with commas between them.", valueName: "name|dir,…")) var task: String?

  @Flag(help: "List the tasks that ship.") var listTasks = false

  @Flag(help: "Ask as a user's message, laid out with the model's chat template.") var chat = false

  @OptionGroup var judge: JudgeOptions
  @OptionGroup var evaluation: EvaluationOptions

  func validate() throws {
    guard listTasks != (task != nil) else { throw ValidationError("give tasks with --task, or --list-tasks") }
    try evaluation.check(model)
    if let task, names(task).contains("") { throw ValidationError("--task \"\(task)\" has an empty name") }
  }

  func run() throws {
    if listTasks {
      for name in ShippedTasks.names {
        let task = try EvaluationTask(name, limit: 1)
        show("\(name)\t\(task.description.graderName)\t\(task.description.source ?? "")")
      }
      return
    }
    let evaluator = Evaluator(
      model: model, template: template, options: evaluation, judge: judge, tasks: names(task ?? ""),
      layout: chat ? .chat : .plain)
    try evaluator.run { output in output.table }
  }

  private func names(_ list: String) -> [String] {
    list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }
}
