import ArgumentParser
import Checkpoints
import EngineAPI
import Evaluation
import Fabric
import Inference
import JSON
import ModelRuntime
import ModelText
import MoEModel
import Pretraining

/// Has the weights in training answer tasks, by the engine that serves, in the same memory.
final class TrainingTasks {
  /// Sequences at once, of all ranks together.
  private static let sequences = 256
  private let every: Int
  private let stepCount: Int
  private let communicator: any Communicator
  private let session: GenerationSession
  /// On rank 0.
  private let runs: [TaskRun]
  private let questions: EngineQuestions?
  private let codec: TextCodec

  /// Nil where no task is asked for. Rank 0 reads the tasks. Collective; fails on all ranks together.
  init?(
    _ options: TrainingTaskOptions, seed: UInt64, start: TrainingStart, stepCount: Int, scoreEvery: Int,
    model: LoadedModel, runtime: ClusterRuntime
  ) throws {
    guard options.task != nil else { return nil }
    let communicator = runtime.communicator
    (self.communicator, self.stepCount) = (communicator, stepCount)
    every = options.taskEvery ?? scoreEvery
    let (codec, runs, questions) = try agree(on: communicator) { () -> (TextCodec, [TaskRun], EngineQuestions?) in
      guard let codec = start.text else {
        throw ValidationError("--task needs a tokenizer; give --tokenizer a model's folder")
      }
      guard communicator.isRoot else { return (codec, [], nil) }
      let runs = try Self.runs(options, seed: seed)
      let questions = try EngineQuestions(
        runs.flatMap(\.calls), codec: codec, checkpoint: start.shape, description: model.description,
        isChat: options.taskChat)
      return (codec, runs, questions)
    }
    (self.codec, self.runs, self.questions) = (codec, runs, questions)
    var session = SessionOptions()
    (session.cacheType, session.stallLimit, session.sequences) = (.f32, nil, Self.sequences)
    let tokens = questions?.cacheTokens(sequences: Self.sequences, ranks: communicator.size, type: .f32) ?? 0
    let blocks = KeyValueCache.blockCount(tokens: Int(try communicator.allReduceMax(Int64(tokens))))
    self.session = try GenerationSession(
      runtime, model: LoadedModel(sharing: model), options: session, cacheBlocks: blocks)
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
    guard step == stepCount || every > 0 && step % every == 0 else { return nil }
    var replies: [ModelReply]?
    try withLoop(session) { loop in
      // The step is done, and its answers are few: a training that is told to stop takes them along.
      loop.goesOnWhenInterrupted = true
      guard let questions else { return }
      replies = try EngineAnswers(questions, codec: codec, label: nil).run(loop)
    }
    guard var rest = replies?[...] else { return nil }
    return runs.map { run in
      let own = Array(rest.prefix(run.calls.count))
      rest = rest.dropFirst(own.count)
      return run.result(own)
    }
  }
}
