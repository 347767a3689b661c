/// Times of work that waits for memory or for arithmetic, as they were measured in steps of one kind; where there is
/// much more arithmetic for each memory than in any of these, other kernels do it, and it takes what it does in steps
/// of the other kind.
package struct Roofline: Sendable {
  struct Point {
    /// Matrices or experts read, and rows or visits computed with them.
    var memory: Double
    var arithmetic: Double
    var seconds: Double
    /// What its relative error counts: 1, or less where it is of other steps than those to be told of.
    var weight: Double
    /// Whether it is of steps of the other kind.
    var isOfOtherKind = false
    var ratio: Double { arithmetic / memory }
  }

  private var near: RooflineCurve
  /// Most arithmetic for each memory in steps of the fitted kind, and what it takes beyond.
  private var limit = Double.infinity
  private var far: RooflineCurve?
  /// Root mean square of the relative errors of the points that count most.
  private(set) var rms = 0.0

  package var fixed: Double { near.fixed }
  package var perMemory: Double { near.perMemory }
  package var perArithmetic: Double { near.perArithmetic }
  var sharpness: Double { near.sharpness }

  /// Straight on, whatever the arithmetic.
  init(perMemory: Double, perArithmetic: Double) {
    near = RooflineCurve(perMemory: perMemory, perArithmetic: perArithmetic)
  }

  /// Fitted to points; nothing takes any time where there are none. `least`: of a unit of memory and of one of
  /// arithmetic, what they cost at the least: where no point tells one of them, it is not free.
  init(_ all: [Point], least: (memory: Double, arithmetic: Double) = (0, 0)) {
    let points = all.filter { $0.seconds > 0 && $0.memory > 0 && $0.arithmetic > 0 }.sorted { $0.ratio < $1.ratio }
    near = RooflineCurve(points, least: least)
    let own = points.filter { $0.weight == 1 }
    rms = own.isEmpty ? 0 : (near.squaredError(own) / Double(own.count)).squareRoot()
    guard let most = points.last(where: { !$0.isOfOtherKind })?.ratio, let last = points.last, last.ratio > most else {
      return
    }
    limit = most
    // The same points, as those of the other kind see them.
    let lightest = points.map(\.weight).min() ?? 1
    far = RooflineCurve(
      points.map { point in
        var point = point
        point.weight = point.isOfOtherKind ? 1 : lightest
        return point
      }, least: least)
  }

  /// Seconds of work of so many units of memory and of arithmetic, as the points have them that it was fitted to.
  package func seconds(memory: Double, arithmetic: Double) -> Double {
    guard let far, memory > 0, arithmetic > limit * memory else {
      return near.seconds(memory: memory, arithmetic: arithmetic)
    }
    return max(
      near.seconds(memory: memory, arithmetic: limit * memory), far.seconds(memory: memory, arithmetic: arithmetic))
  }

  /// Seconds for one reading of the weights and so many units of arithmetic.
  package func seconds(_ arithmetic: Double) -> Double { seconds(memory: 1, arithmetic: arithmetic) }

  /// Of a share of one reading of the weights, with so much arithmetic: what is saved where that share is read ahead
  /// within a window.
  func saved(memory: Double, arithmetic: Double, window: Double, _ ahead: ComputeModel.Ahead) -> Double {
    let (reading, computing) = (perMemory * memory, perArithmetic * arithmetic)
    let saved = near.together(reading, computing) - near.together(ahead.cost * reading, computing)
    return max(0, min(saved, (1 - ahead.cost) * min(window, ahead.room)))
  }

  /// The same of weights that take so many times as long to read and to multiply; a call costs `fixed` times as much.
  func scaled(_ factor: Double, fixed: Double) -> Roofline {
    var roof = self
    roof.near = near.scaled(factor, fixed: fixed)
    roof.far = far?.scaled(factor, fixed: fixed)
    return roof
  }
}
