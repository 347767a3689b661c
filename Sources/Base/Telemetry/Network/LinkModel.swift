import JSON

/// The time of a message by its size: α + β · bytes, in one piece or, where a straight line does not fit, in up to
/// three (Hockney's model; Open MPI changes its protocol at some sizes).
package struct LinkModel: Sendable, Equatable {
  package struct Piece: Sendable, Equatable {
    /// Where it begins.
    package var fromBytes: Int
    /// Seconds, and seconds a byte.
    package var alpha: Double
    package var beta: Double

    /// From messages of `fromBytes` bytes on: `alpha` seconds and `beta` seconds a byte more.
    package init(fromBytes: Int, alpha: Double, beta: Double) {
      (self.fromBytes, self.alpha, self.beta) = (fromBytes, alpha, beta)
    }
  }

  /// Ascending; the first from 0.
  package var pieces: [Piece]
  /// Of the messages it was fitted to, relative.
  package var rmsResidual = 0.0
  package var worstResidual = 0.0
  /// Seconds that each further message at the same time costs, and each byte that shares the way with it.
  package var perMessage: Double
  package var perSharedByte: Double
  /// Of exchanges of all with all; nil where none was measured and the two above are assumed.
  package var exchangeResidual: Double?

  /// A line; further messages cost a quarter of `alpha`, bytes what they cost a message.
  package init(alpha: Double, beta: Double, perMessage: Double? = nil) {
    pieces = [Piece(fromBytes: 0, alpha: alpha, beta: beta)]
    self.perMessage = perMessage ?? alpha / 4
    perSharedByte = beta
  }

  /// Fits one kind of link's samples; nil without ping-pongs.
  package init?(_ samples: [LinkSample]) {
    let points = samples.filter(\.isPingPong).map { (bytes: $0.messageBytes, seconds: $0.seconds) }.sorted {
      $0.bytes < $1.bytes
    }
    guard !points.isEmpty else { return nil }
    pieces = Self.fit(points, piecesLeft: 3)
    perMessage = pieces[0].alpha / 4
    perSharedByte = pieces[pieces.count - 1].beta
    let residuals = points.map { seconds($0.bytes) / $0.seconds - 1 }
    rmsResidual = (residuals.reduce(0) { $0 + $1 * $1 } / Double(residuals.count)).squareRoot()
    worstResidual = residuals.reduce(0) { max($0, abs($1)) }
    fitExchanges(samples.filter { !$0.isPingPong })
  }

  /// Seconds for one message of so many bytes, alone.
  package func seconds(_ bytes: Int) -> Double {
    let piece = pieces.last { $0.fromBytes <= bytes } ?? pieces[0]
    return piece.alpha + piece.beta * Double(bytes)
  }

  /// A message among `messages` that one rank sends at once, where `bytesAtOnce` share the way with it.
  package func seconds(_ bytes: Int, messages: Int, bytesAtOnce: Int) -> Double {
    seconds(bytes) + perMessage * Double(max(messages - 1, 0)) + perSharedByte * Double(max(bytesAtOnce - bytes, 0))
  }

  /// A line where it fits within a tenth; else two parts, cut where both together fit best.
  private static func fit(_ points: [(bytes: Int, seconds: Double)], piecesLeft: Int) -> [Piece] {
    func line(_ part: ArraySlice<(bytes: Int, seconds: Double)>) -> LeastSquares {
      LeastSquares(features: part.map { [1, Double($0.bytes)] }, times: part.map(\.seconds))
    }
    func piece(_ fit: LeastSquares) -> Piece {
      Piece(fromBytes: 0, alpha: fit.coefficients[0], beta: fit.coefficients[1])
    }
    let whole = line(points[...])
    guard whole.worst > 0.1, piecesLeft > 1, points.count >= 4 else { return [piece(whole)] }
    func error(_ cut: Int) -> Double {
      let (left, right) = (line(points[..<cut]), line(points[cut...]))
      return left.rms * left.rms * Double(cut) + right.rms * right.rms * Double(points.count - cut)
    }
    guard let cut = (2...(points.count - 2)).min(by: { error($0) < error($1) }) else { return [piece(whole)] }
    var right = fit(Array(points[cut...]), piecesLeft: piecesLeft - 1)
    right[0].fromBytes = points[cut].bytes
    return [piece(line(points[..<cut]))] + right
  }

  private mutating func fitExchanges(_ samples: [LinkSample]) {
    // Only what a lone message does not explain is left to be shared out.
    let alone = samples.map { seconds($0.messageBytes) }
    let usable = zip(samples, alone).filter { $0.0.messagesAtOnce > 1 || $0.0.bytesAtOnce > $0.0.messageBytes }
    guard !usable.isEmpty else {
      if !samples.isEmpty { exchangeResidual = zip(samples, alone).reduce(0) { max($0, abs($1.1 / $1.0.seconds - 1)) } }
      return
    }
    let fit = LeastSquares(
      features: usable.map { sample, alone in
        [alone, Double(sample.messagesAtOnce - 1), Double(max(sample.bytesAtOnce - sample.messageBytes, 0))]
      }, times: usable.map(\.0.seconds))
    (perMessage, perSharedByte) = (fit.coefficients[1], fit.coefficients[2])
    let model = self
    exchangeResidual = samples.reduce(0) {
      max(
        $0,
        abs(model.seconds($1.messageBytes, messages: $1.messagesAtOnce, bytesAtOnce: $1.bytesAtOnce) / $1.seconds - 1))
    }
  }
}

extension LinkModel {
  package var json: JSONValue {
    var object = JSONObject([
      (
        "pieces",
        .array(
          pieces.map {
            [
              "from_bytes": .int($0.fromBytes), "alpha_seconds": .double($0.alpha),
              "beta_seconds_per_byte": .double($0.beta),
            ]
          })
      ),
      ("rms_residual", .double(rmsResidual)), ("worst_residual", .double(worstResidual)),
      ("further_message_seconds", .double(perMessage)), ("shared_byte_seconds", .double(perSharedByte)),
    ])
    if let exchangeResidual { object["worst_exchange_residual"] = .double(exchangeResidual) }
    return .object(object)
  }
}
