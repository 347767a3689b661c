import Telemetry

/// What a rank's own work takes, fitted to reports or to a machine's limits: everything but messages and waiting.
package struct ComputeModel: Sendable {
  /// Seconds for each layer, and for each row.
  package struct Cost: Sendable {
    package var fixed: Double
    package var perRow: Double
    /// Seconds that `rows` rows take; a mean number of them need not be whole.
    package func seconds(_ rows: Double) -> Double { fixed + perRow * rows }

    func scaled(_ fixedFactor: Double, _ rowFactor: Double) -> Cost {
      Cost(fixed: fixed * fixedFactor, perRow: perRow * rowFactor)
    }
  }

  /// Weights that workers bring into their caches while they wait for messages.
  package struct Ahead: Sendable {
    /// What a rank's caches have room for, in seconds of reading it from memory.
    package var room: Double
    /// What using it from there takes, of the time that it would from memory.
    package var cost: Double

    package init(room: Double, cost: Double) { (self.room, self.cost) = (room, cost) }
  }

  /// Of a layer, by rows at home.
  package var attention: Roofline
  package var dense: Roofline
  package var shared: Roofline
  /// Of a layer, by distinct experts and their visits.
  package var experts: Roofline
  /// Of a step, by rows at home: embedding, head, sampling.
  package var outside: Roofline
  /// Of a layer, by rows at home; sent, of tokens and of sums; that arrive; at home.
  package var gate: Cost
  package var pack: Cost
  package var unpack: Cost
  package var merge: Cost
  /// Where ranks share out every matrix: of an exchange, by the sums' rows that a rank's bytes would fill, its own for
  /// each other rank and those of others.
  package var slices: Cost
  /// Plans and outcomes of a step, as they were.
  package var steering: Double
  package var work: ModelWork
  /// What is read ahead while messages travel; nil where that is in the costs, or is not known.
  package var ahead: Ahead?
  /// Root mean square of the relative differences in expert times, the largest part.
  package internal(set) var expertResidual = 0.0

  /// The same machine with another model: what is read for each layer and computed for each row grows as its parameters
  /// do, what is copied as the hidden size does.
  package func scaled(to other: ModelWork) -> ComputeModel {
    func factor(_ part: KeyPath<ModelWork, Int>) -> Double {
      work[keyPath: part] > 0
        ? Double(other[keyPath: part]) / Double(work[keyPath: part]) : other[keyPath: part] > 0 ? 1 : 0
    }
    var model = self
    let width = factor(\.hiddenSize)
    /// A call costs what it does whatever it reads, and nothing where there is nothing to call.
    func scaled(_ roof: Roofline, _ part: KeyPath<ModelWork, Int>) -> Roofline {
      roof.scaled(factor(part), fixed: factor(part) > 0 ? 1 : 0)
    }
    model.attention = scaled(attention, \.attention)
    model.dense = scaled(dense, \.dense)
    model.shared = scaled(shared, \.shared)
    model.experts = scaled(experts, \.expert)
    model.outside = scaled(outside, \.head)
    model.gate = gate.scaled(factor(\.router), factor(\.router))
    (model.pack, model.unpack, model.merge) = (pack.scaled(1, width), unpack.scaled(1, 1), merge.scaled(1, width))
    model.slices = slices.scaled(1, width)
    model.work = other
    return model
  }

  /// Every cost times this: ranks that share cores.
  package func slowed(by factor: Double) -> ComputeModel {
    var model = self
    for part in [\ComputeModel.attention, \.dense, \.shared, \.experts, \.outside] {
      model[keyPath: part] = self[keyPath: part].scaled(factor, fixed: factor)
    }
    for part in [\ComputeModel.gate, \.pack, \.unpack, \.merge, \.slices] {
      model[keyPath: part] = self[keyPath: part].scaled(factor, factor)
    }
    model.ahead?.room *= factor
    return model
  }
}
