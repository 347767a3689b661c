import Backpropagation
import Fabric
import Kernels
import Machine
import MoEModel
import Tensors
import Testing
import Training

@testable import DistributedTraining

// What holds for a training of any family, whose tests give it a model.
extension TinyTraining {
  /// The same steps and weights on other numbers of ranks and threads, with stages kept or computed again.
  func checkThatLayoutsChangeNothing() throws {
    let alone = try TinyOutcome(of: self)
    #expect(alone.results.allSatisfy { $0.loss.isFinite && $0.gradientNorm > 0 })
    for (ranks, threads, recomputes) in [(1, 3, false), (2, 1, false), (3, 1, true), (1, 1, true), (5, 1, false)] {
      var training = self
      (training.threads, training.recomputes) = (threads, recomputes)
      let found = try TinyOutcome(of: training, ranks: ranks)
      #expect(found.results == alone.results, "\(ranks) ranks, \(threads) threads, \(recomputes)")
      let other = alone.differing(from: found)
      #expect(other.isEmpty, "\(ranks) ranks, \(threads) threads: \(other.prefix(5))")
    }
  }

  func checkThatInstructionSetsChangeNothing() throws {
    let best = try TinyOutcome(of: self)
    for isa in InstructionSet.supported {
      var training = self
      training.isa = isa
      #expect(try TinyOutcome(of: training) == best, "\(isa)")
    }
  }

  /// The same few sequences, again and again, are learnt.
  func checkThatWhatIsRepeatedIsLearnt() throws {
    let losses = try LocalFabric.run(size: 2) { communicator in
      let trainer = try self.trainer(communicator)
      return try (1...30).map { number in
        try step(number, trainer, settings(1e-2)) {
          read($0, vocabulary: trainer.model.description.vocabularySize, into: &$1)
        }.loss
      }
    }
    #expect(losses[0][29] < 0.7 * losses[0][0], "\(losses[0])")
  }

  /// Sequences of these `lengths` that lie behind each other in one leaf neither see nor change each other: `leaves`
  /// gives what each leaf has, by number, against one sequence in each.
  func checkThatSequencesAreApart(_ lengths: [Int], leaves: [[Int]]) throws {
    let found = try LocalFabric.run(size: 1) { communicator -> [(loss: Double, norm: Double)] in
      let trainer = try self.trainer(communicator)
      let vocabulary = trainer.model.description.vocabularySize
      func tokens(_ number: Int) -> [Int32] {
        (0...lengths[number]).map { Int32((number * 7 + $0 * $0 * 3 + $0) % vocabulary) }
      }
      return try [leaves, lengths.indices.map { [$0] }].map { leaves in
        let result = try trainer.timed {
          try trainer.update(
            1, rowsByLeaf: leaves.map { $0.reduce(0) { $0 + lengths[$1] } }, loss: CrossEntropyLoss(zLoss: 0),
            settings: settings(0), accepted: { _ in false }
          ) { leaf, rows in for number in leaves[leaf] { rows.append(tokens(number)) } }
        }
        return (result.loss, result.gradientNorm)
      }
    }[0]
    // The same numbers, added up in another order.
    #expect(abs(found[0].loss - found[1].loss) < 1e-9)
    #expect(abs(found[0].norm - found[1].norm) < 1e-5 * found[1].norm)
  }
}

extension TinyTextTraining {
  /// Stopped after some steps and gone on with on other ranks it tells the same, and leaves the same files, as one that
  /// was not.
  func checkThatStopsChangeNothing() throws {
    let told = try run()
    let digests = try digests().filter { $0.key.contains("-000006/") }
    #expect(digests.count > 4)
    for (stop, before, after) in [(1, 1, 3), (3, 2, 1)] {
      var part = self
      (part.out, part.ranks, part.stopAfter) = ("stopped-\(stop)", before, stop)
      let first = try part.run()
      #expect(first.steps == Array(told.steps.prefix(stop)))
      (part.ranks, part.stopAfter, part.resumes) = (after, nil, true)
      #expect(try part.run().steps == Array(told.steps.dropFirst(stop)), "stopped after \(stop)")
      #expect(try part.digests().filter { $0.key.contains("-000006/") } == digests, "stopped after \(stop)")
    }
  }
}
