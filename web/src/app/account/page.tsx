"use client";

import { Account } from "@/parts/account";

export default function AccountPage() {
  return <Account />;
}
