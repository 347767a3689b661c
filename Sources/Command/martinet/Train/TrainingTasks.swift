import Answering
import ArgumentParser
import DistributedTraining
import Evaluation
import Fabric
import Inference
import Kernels
import ModelRuntime
import ModelText
import MoEModel

/// Has the weights in training answer tasks, by the engine that serves, in the same memory.
final class TrainingTasks {
  /// Sequences at once, of all ranks together.
  private static let sequences = 256
  private let every: Int
  private let stepCount: Int
  private let runtime: ClusterRuntime
  /// Blocks of attention cache on each rank, and what they take.
  private let cacheBlocks: Int
  let cacheByteCount: Int
  private var session: GenerationSession?
  /// On rank 0.
  private let runs: [TaskRun]
  private let questions: EngineQuestions?
  private let codec: TextCodec

  /// Nil where no task is asked for. Rank 0 reads the tasks. Collective; fails on all ranks together.
  init?(
    _ options: TrainingTaskOptions, _ settings: TrainingSettings, start: TrainingStart,
    description: DecoderDescription, runtime: ClusterRuntime
  ) throws {
    guard options.task != nil else { return nil }
    let communicator = runtime.communicator
    (self.runtime, stepCount) = (runtime, settings.steps)
    every = options.taskEvery ?? settings.scoreEvery
    let (codec, runs, questions) = try agree(on: communicator) { () -> (TextCodec, [TaskRun], EngineQuestions?) in
      guard let codec = start.text else {
        throw ValidationError("--task needs a tokenizer; give --tokenizer a model's folder")
      }
      guard communicator.isRoot else { return (codec, [], nil) }
      let runs = try Self.runs(options, seed: settings.seed)
      let questions = try EngineQuestions(
        runs.flatMap(\.calls), codec: codec, checkpoint: start.shape, description: description,
        isChat: options.taskChat)
      return (codec, runs, questions)
    }
    (self.codec, self.runs, self.questions) = (codec, runs, questions)
    let tokens = questions?.cacheTokens(sequences: Self.sequences, ranks: communicator.size, type: .f32) ?? 0
    cacheBlocks = KeyValueCache.blockCount(tokens: Int(try communicator.allReduceMax(Int64(tokens))))
    cacheByteCount = SessionOptions().cacheByteCount(description, cacheBlocks: cacheBlocks)
  }

  /// Makes ready to ask these weights. Collective.
  func prepare(_ model: LoadedModel) throws {
    var options = SessionOptions()
    (options.cacheType, options.stallLimit, options.sequences) = (.f32, nil, Self.sequences)
    session = try GenerationSession(
      runtime, model: LoadedModel(sharing: model), options: options, cacheBlocks: cacheBlocks)
  }

  private static func runs(_ options: TrainingTaskOptions, seed: UInt64) throws -> [TaskRun] {
    try options.names.map { name in
      let task = try EvaluationTask(name, limit: options.taskLimit)
      if case .judge = task.description.grader {
        throw ValidationError("--task \(name) is graded by a judge, whom a training does not ask; use `martinet eval`")
      }
      return TaskRun(task, seed: seed)
    }
  }

  /// Results of a step, where it asks; nil on other ranks than 0, and after other steps. Collective.
  func ask(after step: Int) throws -> [TaskResult]? {
    guard let session, step == stepCount || every > 0 && step % every == 0 else { return nil }
    var replies: [ModelReply]?
    try withLoop(session) { loop in
      // The step is done, and its answers are few: a training that is told to stop takes them along.
      loop.goesOnWhenInterrupted = true
      guard let questions else { return }
      replies = try EngineAnswers(questions, codec: codec).run(loop)
    }
    return replies.map { TaskRun.results(of: runs, $0) }
  }
}
