/// Which partial sums, of which ranks, each of some totals is added up from: written once for a layer, then read by all workers.
final class SumTable {
  /// The `index`-th row that `rank` returns.
  struct Place: BitwiseCopyable {
    var rank: Int32
    var index: Int32
  }

  /// The partial sums of one total.
  struct Parts {
    /// Of each, any one of the expert ids it sums; ascending.
    let ids: UnsafePointer<Int32>
    let places: UnsafePointer<Place>
    let count: Int
  }

  private let ends = GrowingList<Int32>()
  private let ids = GrowingList<Int32>()
  private let places = GrowingList<Place>()
  private(set) var count = 0

  /// Writes a table in order.
  struct Writer {
    fileprivate let ends: UnsafeMutablePointer<Int32>
    fileprivate let ids: UnsafeMutablePointer<Int32>
    fileprivate let places: UnsafeMutablePointer<Place>
    fileprivate(set) var totals = 0
    fileprivate var parts = 0

    mutating func add(id: Int32, rank: Int32, index: Int32) {
      ids[parts] = id
      places[parts] = Place(rank: rank, index: index)
      parts += 1
    }

    /// What was added since the last call makes up the next total.
    mutating func endTotal() {
      ends[totals] = Int32(parts)
      totals += 1
    }
  }

  /// Starts anew, with room for so many totals, of so many partial sums together.
  func begin(totals: Int, parts: Int) -> Writer {
    for list in [ends, ids] { list.removeAll() }
    places.removeAll()
    count = 0
    return Writer(ends: ends.extend(by: totals), ids: ids.extend(by: parts), places: places.extend(by: parts))
  }

  func end(_ writer: Writer) { count = writer.totals }

  func parts(of total: Int) -> Parts {
    let first = total == 0 ? 0 : Int(ends.elements[total - 1])
    return Parts(ids: ids.elements + first, places: places.elements + first, count: Int(ends.elements[total]) - first)
  }
}
