import Kernels
import Machine
import MoEModel
import Tensors
import Training

/// A copy of a rank's own numbers, as they were after some step, for a checkpoint that is written while the next steps
/// compute.
///
/// It takes `TrainedModel.keptByteCount`: as much as masters and what the optimiser keeps. It is made at the first such
/// checkpoint, and used again for each.
final class Snapshot {
  private let copies: [ParameterID: [StatePart: AlignedBuffer<Float>]]

  init(of model: TrainedModel) {
    var copies: [ParameterID: [StatePart: AlignedBuffer<Float>]] = [:]
    for parameter in model.parameters where !parameter.own.isEmpty {
      for part in parameter.rule.parts {
        copies[parameter.spec.id, default: [:]][part] = AlignedBuffer(count: parameter.own.count)
      }
    }
    self.copies = copies
  }

  /// Takes the numbers as they are now, on all workers.
  func take(_ model: TrainedModel, _ compute: Compute) {
    for parameter in model.parameters where !parameter.own.isEmpty {
      for part in parameter.rule.parts {
        let (source, target) = (parameter.numbers(part).pointer, numbers(parameter, part))
        compute.pool.run { worker in
          let share = compute.share(of: parameter.own.count, worker: worker)
          (target + share.lowerBound).update(from: source + share.lowerBound, count: share.count)
        }
      }
    }
  }

  func numbers(_ parameter: TrainedParameter, _ part: StatePart) -> UnsafeMutablePointer<Float> {
    guard let copy = copies[parameter.spec.id]?[part] else {
      preconditionFailure("\(parameter.name) has no \(part) here")
    }
    return copy.pointer
  }
}
