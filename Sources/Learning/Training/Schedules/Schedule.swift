import JSON

/// A number that changes with the steps of a training: a learning rate, a weight of a loss, the speed of a bias.
///
/// It is a list of stretches of steps; in each the number goes from one value to another in some form. Steps count from
/// 1, and the last stretch's end holds for all steps after it. Values come from additions, multiplications, divisions
/// and square roots alone, so that every machine computes the same.
package struct Schedule: Sendable, Equatable {
  /// How a number goes from one value to another.
  package enum Form: String, Sendable, CaseIterable {
    case linear, cosine
  }

  package struct Stretch: Sendable, Equatable {
    package var steps: Int
    package var from: Double
    package var to: Double
    package var form = Form.linear

    /// `steps` steps, in which the number goes from `from` to `to`.
    package init(steps: Int, from: Double, to: Double, form: Form = .linear) {
      (self.steps, self.from, self.to, self.form) = (steps, from, to, form)
    }
  }

  package let stretches: [Stretch]

  /// `what`: what errors call the number. Throws for a stretch of a negative number of steps, and for values that are
  /// negative or not finite.
  package init(_ stretches: [Stretch], what: String) throws(TrainingError) {
    var total = 0
    for stretch in stretches {
      for value in [stretch.from, stretch.to] where !(value >= 0 && value.isFinite) {
        throw .badOption(what, "\(value)", "give a finite number that is not negative")
      }
      let (sum, overflows) = total.addingReportingOverflow(stretch.steps)
      guard stretch.steps >= 0, !overflows else {
        throw .badOption("a stretch of \(what)", "\(stretch.steps) steps long", "give a number of steps")
      }
      total = sum
    }
    guard !stretches.isEmpty else { throw .badOption(what, "nothing", "give at least one stretch of steps") }
    self.stretches = stretches
  }

  /// Throws for a number of steps that no training has.
  static func check(stepCount: Int) throws(TrainingError) {
    guard (1...(1 << 40)).contains(stepCount) else {
      throw .badOption("the number of steps", "\(stepCount)", "give from 1 to \(1 << 40)")
    }
  }

  /// The same number at all steps.
  package init(constant value: Double, what: String) throws(TrainingError) {
    try self.init([Stretch(steps: 0, from: value, to: value)], what: what)
  }

  /// The number in step `step`, counted from 1: a stretch's last step has the value the stretch goes to.
  package func value(ofStep step: Int) -> Double {
    var rest = max(0, step)
    for stretch in stretches {
      if rest <= stretch.steps && stretch.steps > 0 { return stretch.value(at: Double(rest) / Double(stretch.steps)) }
      rest -= stretch.steps
    }
    return stretches[stretches.count - 1].to
  }

  /// For the record of a training, and for users' files.
  package var json: JSONValue {
    let list: [JSONValue] = stretches.map { stretch in
      [
        "steps": .int(stretch.steps), "from": .double(stretch.from), "to": .double(stretch.to),
        "form": .string(stretch.form.rawValue),
      ]
    }
    return ["stretches": .array(list)]
  }
}

extension Schedule.Stretch {
  /// `t`: the part of the stretch that is done, from 0 to 1.
  fileprivate func value(at t: Double) -> Double {
    // Ends are met exactly, and so is a number that stays.
    if t == 1 || from == to { return to }
    return switch form {
    case .linear: from * (1 - t) + to * t
    case .cosine: to + (from - to) * (0.5 + 0.5 * FixedMath.cosine(halfTurns: t))
    }
  }
}
