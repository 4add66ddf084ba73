#include "sim/script/dns_names.hh"

#include <cctype>
#include <charconv>

namespace dashi::script {
namespace {

struct Name {
  uint16_t number;
  const char* name;
};

// What a DNS client asks for; the first name of a number is the one it is told by.
constexpr Name kTypes[] = {
    {1, "a"},       {2, "ns"},        {3, "md"},          {4, "mf"},          {5, "cname"},
    {6, "soa"},     {7, "mb"},        {8, "mg"},          {9, "mr"},          {10, "null"},
    {11, "wks"},    {12, "ptr"},      {13, "hinfo"},      {14, "minfo"},      {15, "mx"},
    {16, "txt"},    {17, "rp"},       {18, "afsdb"},      {24, "sig"},        {25, "key"},
    {28, "aaaa"},   {29, "loc"},      {33, "srv"},        {35, "naptr"},      {36, "kx"},
    {37, "cert"},   {39, "dname"},    {41, "opt"},        {42, "apl"},        {43, "ds"},
    {44, "sshfp"},  {45, "ipseckey"}, {46, "rrsig"},      {47, "nsec"},       {48, "dnskey"},
    {49, "dhcid"},  {50, "nsec3"},    {51, "nsec3param"}, {52, "tlsa"},       {53, "smimea"},
    {55, "hip"},    {59, "cds"},      {60, "cdnskey"},    {61, "openpgpkey"}, {62, "csync"},
    {63, "zonemd"}, {64, "svcb"},     {65, "https"},      {99, "spf"},        {108, "eui48"},
    {109, "eui64"}, {249, "tkey"},    {250, "tsig"},      {251, "ixfr"},      {252, "axfr"},
    {253, "mailb"}, {254, "maila"},   {255, "any"},       {256, "uri"},       {257, "caa"}};

// RFC 1035 4.1.1, RFC 2136 2.2, RFC 6895 2.3; above 15 by EDNS only (RFC 6891 6.1.3).
constexpr Name kRcodes[] = {{0, "noerror"},  {1, "formerr"}, {2, "servfail"},  {3, "nxdomain"},
                            {4, "notimp"},   {5, "refused"}, {6, "yxdomain"},  {7, "yxrrset"},
                            {8, "nxrrset"},  {9, "notauth"}, {10, "notzone"},  {16, "badvers"},
                            {16, "badsig"},  {17, "badkey"}, {18, "badtime"},  {19, "badmode"},
                            {20, "badname"}, {21, "badalg"}, {22, "badtrunc"}, {23, "badcookie"}};
constexpr uint16_t kRcodeMax = 0xfff;

std::optional<uint16_t> number(std::string_view text, uint16_t most) {
  uint16_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  const bool right = error == std::errc{} && last == end && value <= most;
  return right ? std::optional(value) : std::nullopt;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

template <size_t N>
std::optional<uint16_t> number_in(const Name (&names)[N], const std::string& text) {
  for (const Name& one : names) {
    if (text == one.name) return one.number;
  }
  return std::nullopt;
}

template <size_t N>
std::string name_in(const Name (&names)[N], uint16_t number) {
  for (const Name& one : names) {
    if (number == one.number) return one.name;
  }
  return std::to_string(number);
}

}  // namespace

std::optional<uint16_t> dns_type(const std::string& text) {
  const std::string name = lower(text);
  if (const auto known = number_in(kTypes, name)) return known;
  return number(name.rfind("type", 0) == 0 ? name.substr(4) : name, UINT16_MAX);
}

std::optional<uint16_t> dns_rcode(const std::string& text) {
  const std::string name = lower(text);
  if (const auto known = number_in(kRcodes, name)) return known;
  return number(name, kRcodeMax);
}

std::string name_of_dns_type(uint16_t type) { return name_in(kTypes, type); }

std::string name_of_dns_rcode(uint16_t rcode) { return name_in(kRcodes, rcode); }

}  // namespace dashi::script
