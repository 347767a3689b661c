import Fabric
import Machine
import ModelRuntime
import MoEModel
import Tensors
import Training

/// When a checkpoint's files are written.
package enum CheckpointMode: String, Sendable, CaseIterable {
  /// While the next steps compute, from a copy of the numbers.
  case background
  /// Before the next step.
  case waiting
}

/// Saves checkpoints of a training: ranks give their numbers, and a thread of rank 0 writes them.
///
/// In the background each rank copies what it owns (`Snapshot`) and training goes on. After each step the ranks start
/// to send as many pieces of the plan as the writer's queue has room for, and those arrive while the next step
/// computes. One checkpoint is under way at a time. Files are the same bytes either way. Collective throughout.
final class CheckpointSaver {
  /// A checkpoint that is whole.
  struct Saved {
    let step: Int
    /// Since it was begun.
    let seconds: Double
  }

  private struct Save {
    let began = ContinuousClock.now
    let record: StateRecord
    let gathering: StateGathering
    /// On rank 0.
    let queue: PieceQueue?
  }

  /// What the writer's thread gets, and nobody else uses meanwhile.
  private struct Job: @unchecked Sendable {
    let writer: CheckpointWriter
    let record: StateRecord
    let queue: PieceQueue

    func run() {
      let outcome = Result { try writer.save(record, from: queue) }
      queue.end(outcome)
    }
  }

  private let model: TrainedModel
  private let runtime: ClusterRuntime
  private let communicator: any Communicator
  private let requests: [SavePlan.Request]
  private let owner: (_ spec: ParameterSpec) -> Rank?
  private let writer: CheckpointWriter?
  private let thread: WriterThread
  private var snapshot: Snapshot?
  private var save: Save?

  /// `writer`: rank 0's, which works on `thread`. `owner`: of an expert's parameters; nil for those that all ranks have
  /// slices of.
  init(
    _ model: TrainedModel, runtime: ClusterRuntime, plan: SavePlan, writer: CheckpointWriter?, thread: WriterThread,
    owner: @escaping (_ spec: ParameterSpec) -> Rank?
  ) {
    (self.model, self.runtime, self.writer) = (model, runtime, writer)
    (self.thread, self.owner) = (thread, owner)
    communicator = runtime.communicator
    requests = Array(plan.requests)
  }

  /// Bytes that a rank needs for checkpoints in the background, and what its host has to give to each of its ranks,
  /// both of the rank that is worst off.
  func backgroundMemory() throws -> (needed: Int, available: Int) {
    let available = (try? Topology.discover().availableBytes) ?? 0
    let (needed, share) = (snapshot == nil ? model.keptByteCount : 0, available / max(1, communicator.localSize))
    let worst = try communicator.allReduce([Int64(needed), -Int64(share)], .max)
    return (Int(worst[0]), -Int(worst[1]))
  }

  /// Begins to save the numbers as they are now. None may be under way. In `waiting`, `finish` must follow before they
  /// change.
  func begin(_ record: StateRecord, _ mode: CheckpointMode) throws {
    precondition(save == nil, "a checkpoint is under way")
    let numbers: StateGathering.Numbers
    switch mode {
    case .background:
      let copy = snapshot ?? Snapshot(of: model)
      snapshot = copy
      copy.take(model, runtime.compute)
      numbers = { UnsafePointer(copy.numbers($0, $1)) }
    case .waiting: numbers = { UnsafePointer($0.numbers($1).pointer) }
    }
    let queue = writer.map { writer in
      let queue = PieceQueue()
      let job = Job(writer: writer, record: record, queue: queue)
      thread.run { job.run() }
      return queue
    }
    let gathering = StateGathering(model, requests: requests, owner: owner, numbers: numbers)
    save = Save(record: record, gathering: gathering, queue: queue)
  }

  /// Goes on with the checkpoint under way, without waiting for the disk. The checkpoint that is whole now, told once;
  /// throws on all ranks where it could not be written, and the one before is the last one then.
  func advance() throws -> Saved? {
    guard let save else { return nil }
    try save.gathering.complete { save.queue?.append($0, $1) }
    let outcome = save.queue?.outcome
    let room = save.queue.map { save.gathering.count(within: $0.room) } ?? 0
    let word = try communicator.allReduce([outcome == nil ? 0 : 1, Int64(room)], .max)
    guard word[0] == 0 else {
      self.save = nil
      try agree(on: communicator) { if case .failure(let error) = outcome { throw error } }
      return Saved(step: save.record.step, seconds: (ContinuousClock.now - save.began) / .seconds(1))
    }
    try save.gathering.begin(Int(word[1]))
    return nil
  }

  /// Waits for the end of the checkpoint under way; nil where there is none. Throws as `advance` does.
  func finish() throws -> Saved? {
    while let save {
      // What was begun comes first: it takes room, too.
      try save.gathering.complete { save.queue?.append($0, $1) }
      save.queue?.waitForRoom(save.gathering.nextCount)
      if let saved = try advance() { return saved }
    }
    return nil
  }
}
