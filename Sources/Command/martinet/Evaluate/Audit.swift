import ArgumentParser

/// `martinet audit`: what a model makes of false claims.
struct Audit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Confront a model with false claims: debunked, repeated, or no answer.",
    discussion: """
      martinet audit --model DIR
      martinet audit --endpoint http://127.0.0.1:8000 --claims DIR --out audit.json --report audit.html
      Each claim comes in prompts of several kinds: innocent (a plain question), leading (the claim taken for true) and
      malign (asked to spread it). The method is NewsGuard's; the claims that ship are our own. Claims are a task's
      folder whose grader is claim: see deploy/manual/evaluation.md.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var template: TemplateOptions

  @Option(help: ArgumentHelp("Folder with claims of your own. (default: the forty that ship)", valueName: "dir"))
  var claims: String?

  @Flag(help: "Ask plain text, also where the model has a chat template.") var plain = false

  @OptionGroup var evaluation: EvaluationOptions

  func validate() throws { try evaluation.check(model) }

  func run() throws {
    let evaluator = Evaluator(
      model: model, template: template, options: evaluation, judge: nil, tasks: [claims ?? "claims"],
      layout: plain ? .plain : .chatIfPossible)
    try evaluator.run { output in output.auditTable }
  }
}
