import Checkpoints
import EngineAPI
import Fabric
import Foundation
import MoEModel
import ModelRuntime
import TestSupport
import Testing

@testable import Inference
@testable import Machine

/// Weights that ranks have in common, and that outlive their job: the same tokens from less memory and fewer reads.
struct HostWeightsTests {
  private struct Run: Sendable {
    var tokens: [Int32] = []
    var read = 0
    var memory: [Int] = []
    var notes: [String] = []
  }

  private let temporary = TemporaryFolder()

  /// `others`: what all ranks but the first open in the place of `model`, where that is another folder.
  private func run(
    _ model: String, others: String? = nil, _ prompt: [Int32], ranks: Int, threads: Int = 1,
    weights: WeightPrecision = .auto,
    layout: RankLayout = .spread, releases: Bool = false, _ keeping: KeepingOptions
  ) throws -> Run {
    let found = try LocalFabric.run(size: ranks) { communicator -> Run? in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens, options.weights) = (threads, 256, weights)
      (options.keeping, options.layout) = (keeping, layout)
      var run = Run()
      let folder = communicator.isRoot ? model : others ?? model
      let session = try GenerationSession(model: folder, options: options, communicator: communicator) { event in
        if case .note(let note) = event { run.notes.append(note) }
      }
      defer { if releases { session.release() } }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      _ = try loop.submit(
        GenerationRequest(prompt: prompt, task: .generate(maxNewTokens: 8, sampling: .init(), stopTokens: [])))
      while loop.hasWork {
        for event in try loop.step() { if case .token(_, let token, _) = event { run.tokens.append(token.token) } }
      }
      try loop.stop()
      run.read = session.model.report.bytesReadByRank.reduce(0, +)
      run.memory = session.model.report.memoryByRank
      return run
    }
    return try #require(found[0])
  }

  /// Returns after its keeper has gone.
  private static func keep(_ folder: KeeperFolder, _ ready: DispatchSemaphore) {
    let keeper = try? MemoryKeeper(folder, patience: .seconds(1200))
    ready.signal()
    keeper?.run()
  }

  /// Calls `body` with a keeper under way.
  private func withKeeper(_ body: (inout KeepingOptions) throws -> Void) throws {
    let folder = KeeperFolder(temporary.file("keeper"))
    let (ready, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let thread = Thread {
      Self.keep(folder, ready)
      ended.signal()
    }
    thread.start()
    ready.wait()
    var keeping = KeepingOptions()
    (keeping.folder, keeping.mode) = (folder, .always)
    try body(&keeping)
    _ = try KeeperClient.existing(folder)?.release(all: true)
    // It ends where nobody can find it any more.
    unlink(folder.socket)
    #expect(ended.wait(timeout: .now() + 600) == .success)
  }

  private func copy(_ name: String, as copy: String? = nil) throws -> String {
    let path = temporary.file(copy ?? name)
    try FileManager.default.copyItem(atPath: Golden(name).folder, toPath: path)
    return path
  }

  @Test(arguments: ["deepseek_v3", "gpt_oss_mxfp4", "qwen3_moe_bf16"])
  func ranksThatShareHaveOneCopyAndTheSameTokens(name: String) throws {
    let golden = try Golden(name)
    let prompt = try golden.prompt(0)
    let alone = try run(golden.folder, prompt, ranks: 1, KeepingOptions())
    let apart = try run(golden.folder, prompt, ranks: 2, KeepingOptions())
    var sharing = KeepingOptions()
    sharing.shares = true
    for threads in [1, 3] {
      let together = try run(golden.folder, prompt, ranks: 2, threads: threads, sharing)
      #expect(together.tokens == alone.tokens && apart.tokens == alone.tokens)
      #expect(together.notes.contains { $0.contains("2 ranks share one copy") }, "\(together.notes)")
      // Rank 1 has its experts only, and small vectors.
      #expect(together.memory[0] == apart.memory[0] && together.memory[1] < apart.memory[1])
      #expect(together.read < apart.read)
    }
    let checkpoint = try CheckpointFormat.open(golden.folder)
    let budget = try WeightBudget.measure(
      try ModelConfiguration.read(checkpoint), checkpoint: checkpoint, workerCount: 1
    ) { _, _ in true }
    let together = try run(golden.folder, prompt, ranks: 2, sharing)
    #expect(apart.memory.reduce(0, +) - together.memory.reduce(0, +) == budget.sharedBytes)
  }

  @Test(.timeLimit(.minutes(20)), arguments: [(1, false), (2, false), (2, true)])
  func theNextJobTakesWhatWasKept(ranks: Int, shares: Bool) throws {
    let golden = try Golden("deepseek_v3")
    let (folder, prompt) = (try copy("deepseek_v3"), try golden.prompt(0))
    let expected = try run(folder, prompt, ranks: ranks, KeepingOptions())
    try withKeeper { keeping in
      keeping.shares = shares
      func took(_ run: Run) -> Bool { run.notes.contains { $0.contains("took the kept weights of \(ranks) of") } }
      let first = try run(folder, prompt, ranks: ranks, keeping)
      #expect(first.tokens == expected.tokens && first.read > 0 && !took(first), "\(first.notes)")
      for _ in 0..<2 {
        let next = try run(folder, prompt, ranks: ranks, keeping)
        #expect(next.tokens == expected.tokens && next.read == 0 && took(next), "\(next.notes)")
        #expect(next.memory == first.memory)
      }
      // Other weights, and then these again: both are there.
      let rounded = try run(folder, prompt, ranks: ranks, weights: .q8, keeping)
      #expect(rounded.read > 0 && !took(rounded))
      #expect(took(try run(folder, prompt, ranks: ranks, keeping)))
      // The same names for another content: a file that has changed, to the same size.
      let file = try #require(
        FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".safetensors") })
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: folder + "/" + file)
      let changed = try run(folder, prompt, ranks: ranks, keeping)
      #expect(changed.read > 0 && !took(changed) && changed.tokens == expected.tokens)
      #expect(changed.notes.contains { $0.contains("files have changed") }, "\(changed.notes)")
      #expect(took(try run(folder, prompt, ranks: ranks, keeping)))
      // A good end gives up what is for bad ones.
      keeping.mode = .restarts
      #expect(took(try run(folder, prompt, ranks: ranks, keeping)))
      #expect(took(try run(folder, prompt, ranks: ranks, releases: true, keeping)))
      #expect(try run(folder, prompt, ranks: ranks, keeping).read > 0)
    }
  }

  /// Slices are each rank's own, and others than what a rank holds where sequences are spread.
  @Test(.timeLimit(.minutes(20)), arguments: ["deepseek_v3", "qwen3_moe"])
  func slicesAreKeptButNotShared(name: String) throws {
    let (folder, prompt) = (try copy(name), try Golden(name).prompt(0))
    let expected = try run(folder, prompt, ranks: 2, KeepingOptions())
    try withKeeper { keeping in
      keeping.shares = true
      let first = try run(folder, prompt, ranks: 2, layout: .sliced, keeping)
      #expect(first.tokens == expected.tokens && first.read > 0)
      #expect(!first.notes.contains { $0.contains("share one copy") }, "\(first.notes)")
      let next = try run(folder, prompt, ranks: 2, layout: .sliced, keeping)
      #expect(next.tokens == expected.tokens && next.read == 0 && next.memory == first.memory)
      #expect(next.notes.contains { $0.contains("took the kept weights of 2 of") }, "\(next.notes)")
      let spread = try run(folder, prompt, ranks: 2, keeping)
      #expect(spread.tokens == expected.tokens && spread.read > 0)
      #expect(spread.notes.contains { $0.contains("laid out for other") }, "\(spread.notes)")
    }
  }

  @Test(.timeLimit(.minutes(20))) func damagedBytesAreNotTaken() throws {
    let (folder, prompt) = (try copy("qwen3_moe"), try Golden("qwen3_moe").prompt(0))
    try withKeeper { keeping in
      let first = try run(folder, prompt, ranks: 1, keeping)
      let client = try KeeperClient(keeping.folder)
      let entry = try #require(try client.list().first)
      let found = try #require(try client.find(entry.name))
      // The same manifest with other bytes: one bit of one weight.
      let other = try found.memory.map { memory -> SharedMemory in
        let source = try NodeArena(node: 0, byteCount: memory.byteCount, in: memory, isWritable: false)
        let copy = try SharedMemory(roomFor: memory.byteCount)
        let target = try NodeArena(node: 0, byteCount: memory.byteCount, in: copy, isWritable: true)
        target.base.copyMemory(from: source.base, byteCount: memory.byteCount)
        target.base.storeBytes(
          of: target.base.load(fromByteOffset: 5000, as: UInt8.self) ^ 1, toByteOffset: 5000, as: UInt8.self)
        return copy
      }
      #expect(try client.hold(entry.name, other, note: found.note, seconds: 3600))
      let next = try run(folder, prompt, ranks: 1, keeping)
      #expect(next.tokens == first.tokens && next.read > 0)
      #expect(next.notes.contains { $0.contains("have changed since they were packed") }, "\(next.notes)")
    }
  }

  @Test(.timeLimit(.minutes(20))) func withoutAKeeperItIsSaidAndRead() throws {
    let (folder, prompt) = (try Golden("qwen3_moe").folder, try Golden("qwen3_moe").prompt(0))
    var keeping = KeepingOptions()
    (keeping.mode, keeping.command) = (.restarts, ["/bin/false"])
    keeping.folder = KeeperFolder(temporary.write([], as: "no-folder"))
    let found = try run(folder, prompt, ranks: 2, keeping)
    #expect(found.read > 0 && found.notes.contains { $0.contains("no keeper of weights on this host") })
  }

  /// What was measured for one job holds for the next, as long as model, ranks and weights are the same; also where
  /// each rank has its own copy of the folder, in another place, as on hosts without a common file system.
  @Test(.timeLimit(.minutes(20)))
  func aLayoutIsChosenOnceForAllStarts() throws {
    let (folder, other) = (try copy("deepseek_v3"), try copy("deepseek_v3", as: "elsewhere"))
    let prompt = try Golden("deepseek_v3").prompt(0)
    func start(
      _ keeping: KeepingOptions, ranks: Int = 2, threads: Int = 1, weights: WeightPrecision = .auto,
      releases: Bool = false
    ) throws -> Run {
      try run(
        folder, others: other, prompt, ranks: ranks, threads: threads, weights: weights, layout: .auto,
        releases: releases, keeping)
    }
    func note(_ run: Run) throws -> String { try #require(run.notes.first { $0.hasPrefix("--layout auto: ") }) }
    let measured = ", measured in "
    func words(_ note: String) -> Substring? {
      note.firstRange(of: measured).map { note[..<$0.lowerBound] }
        ?? note.firstRange(of: ", as measured").map { note[..<$0.lowerBound] }
    }
    // Without a keeper each start measures.
    #expect(try note(start(KeepingOptions())).contains(measured))
    try withKeeper { keeping in
      let first = try start(keeping)
      #expect(try note(first).contains(measured))
      for _ in 0..<2 {
        let again = try start(keeping)
        #expect(try note(again).hasSuffix("as measured for a job before") && words(note(again)) == words(note(first)))
        #expect(again.tokens == first.tokens && again.read == 0, "\(again.notes)")
      }
      // Others have a choice of their own.
      #expect(try note(start(keeping, ranks: 3)).contains(measured))
      #expect(try note(start(keeping, threads: 2)).contains(measured))
      #expect(try note(start(keeping, weights: .q8)).contains(measured))
      // A good end gives up what was kept for bad ones.
      keeping.mode = .restarts
      _ = try start(keeping)
      #expect(try note(start(keeping, releases: true)).hasSuffix("a job before"))
      #expect(try note(start(keeping)).contains(measured))
    }
  }
}
