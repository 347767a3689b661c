import ArgumentParser
import DistributedTraining
import Training

/// What every kind of training is asked.
struct TrainingRunOptions: ParsableArguments {
  @OptionGroup var training: TrainingOptions
  @OptionGroup var reports: TrainingReportOptions
  @OptionGroup var costs: CostOptions
  @Option(parsing: .unconditional, help: "Worker threads of each rank; by default one on each core the rank may use.")
  var threads: Int?
  @OptionGroup var cores: CoreOptions
  @Flag(help: "One JSON object a step, on a line of its own, instead of a table.") var json = false
  @Option(
    help: ArgumentHelp(
      """
      Options from a JSON object, by their names without dashes; those given here count before them. What ran lies \
      in OUT/recipe.json.
      """,
      valueName: "file"))
  var recipe: String?
  @OptionGroup var tasks: TrainingTaskOptions
  @OptionGroup var restarts: RestartOptions

  func validate() throws { try require("threads", threads, in: 1...4096) }
}

/// A command that trains.
protocol TrainingCommand: ParsableCommand {
  /// What it is called by.
  static var words: [String] { get }
  static var kind: TrainingKind { get }
  var options: TrainingRunOptions { get }
  /// Throws for numbers that no training can have.
  func settings() throws -> TrainingSettings
  /// What is learnt from.
  func material() throws -> any TrainingMaterial
  /// The folder of the model that is trained further; nil for a new one.
  var model: String? { get }
  /// On every rank: what is trained, before anything of it is held.
  func beginning(_ settings: TrainingSettings) throws -> TrainingStart
}

extension TrainingCommand {
  func run() throws { try TrainingRun(self).run() }

  /// What the command line says after the command's words, and a recipe that it names.
  static func settings(_ words: [String]) throws -> CommandSettings { try CommandSettings(Self.self, words) }
}

/// What is learnt, and so what options are where they are not given.
enum TrainingKind {
  /// All tokens of text.
  case pretrain
  /// Answers of conversations.
  case conversations
  /// What is sampled, by what it is worth.
  case policy
  /// What a teacher says of text, or of what is sampled.
  case distillation

  var learningRate: Double {
    switch self {
    case .pretrain: 3e-4
    case .conversations, .distillation: 2e-5
    case .policy: 3e-6
    }
  }
  var packing: Packing { self == .pretrain ? .packed : .whole }
  var weightDecay: Double { self == .policy ? 0 : 0.1 }
  /// Conversations are few and of few kinds: what balances experts for all text is left as it is.
  var balanceSpeed: Double { self == .pretrain ? 0.001 : 0 }
  var balanceLoss: Double { self == .pretrain ? 0.0001 : 0 }
}
